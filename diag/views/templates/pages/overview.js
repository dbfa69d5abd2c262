"use strict";
// The overview: findings, whose images are drawn when one is opened, and the results table, which leads to each model.
((report) => {
  const { data, make, card, zoom, trainingTile, trainingText } = report;

  function findings() {
    for (const details of document.querySelectorAll("details.finding")) {
      details.addEventListener("toggle", () => {
        const target = details.querySelector(".samples");
        if (!target || target.childElementCount) return;
        const [model, number] = details.dataset.finding.split("-").slice(1).map(Number);
        const found = data.models[model].findings[number];
        target.replaceChildren(...found.samples.map((index, row) =>
          sample(index, model, found.train[row])).filter(Boolean));
      });
    }
  }
  function sample(index, model, partner) {
    const shown = card(index, [model]);
    const other = shown && partner !== undefined ? trainingTile(partner) : null;
    if (!other) return shown;
    const both = make("button", { class: "card both", type: "button", onclick: () => zoom(index, partner) },
      make("span", { class: "two" }, shown.firstChild, other), ...shown.childNodes);
    both.append(make("small", {}, trainingText(partner)));
    return both;
  }
  report.page("overview", (root) => {
    findings();
    for (const button of root.querySelectorAll("button[data-model]")) {
      button.addEventListener("click", () => report.go("model", { model: button.dataset.model, cell: null }));
    }
  });
})(report);
