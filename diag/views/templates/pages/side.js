"use strict";
// The maps of one image, model beside model.
const reportSide = ((report, { mapOf, signed, overlay }) => {
  const { data, make, tile } = report;

  function sideBySide() {
    const section = document.getElementById("side");
    const shown = data.models.filter((model) => model.explain && model.explain.rows.length);
    if (!section || shown.length < 2) return;
    section.hidden = false;
    const first = shown[0].explain;
    const [images, classes] = [section.querySelector(".side-image"), section.querySelector(".side-class")];
    images.replaceChildren(...first.rows.map((row, y) => make("option", { value: y }, `index ${row.index}, true ${data.classes[row.true]}`)));
    classes.replaceChildren(make("option", { value: 0 }, "why, rather than"),
      ...first.columns.map((number, x) => make("option", { value: x + 1 }, data.classes[number])));
    const target = section.querySelector(".side");
    const show = () => {
      const [y, x] = [Number(images.value), Number(classes.value)];
      const row = first.rows[y];
      target.replaceChildren(make("div", { class: "card" }, tile(row.index, 160), make("small", {}, make("b", {}, `true ${data.classes[row.true]}`)),
        make("small", {}, `full colour from ${row.limit} of probability`)),
      ...shown.map((model) => {
        const entry = model.explain.rows[y];
        const apart = entry.apart && entry.apart[x] !== null ? [make("small", { title: "1 − cosine similarity: 0 the same pixels, 1 nothing in common, 2 opposite" },
          `${entry.apart[x].toFixed(2)} away from ${shown[0].name}`)] : [];
        return make("div", { class: "card" }, mapOf(model, y, x, 160), make("small", {}, make("b", {}, model.name)),
          make("small", { class: entry.true === entry.pred ? "right" : "wrong" }, `says ${data.classes[entry.pred]}`),
          make("small", {}, x ? `p = ${entry.proba[x - 1].toFixed(3)}` : `${entry.why}: ${signed(entry.difference)}`), ...apart);
      }));
    };
    images.addEventListener("change", show);
    classes.addEventListener("change", show);
    section.append(make("div", { class: "tools" }, overlay(section)));
    show();
  }
  return { sideBySide };
})(report, reportMaps);
