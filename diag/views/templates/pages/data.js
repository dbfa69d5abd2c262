"use strict";
// The data: how many images each class has, and the first of them.
((report) => {
  const { data, make, tile, zoom } = report;
  report.page("data", (root) => {
    const target = root.querySelector("[data-groups=samples]");
    target.replaceChildren(...data.samples.map((group) => make("div", { class: "group" }, make("b", {}, group.name),
      make("div", { class: "cards" }, group.items.map((index) => make("button",
        { class: "card", type: "button", onclick: () => zoom(index) }, tile(index)))))));
  });
})(report);
