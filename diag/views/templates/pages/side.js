"use strict";
// The maps of one image, model beside model.
const reportSide = ((report, { mapOf, signed, overlay }) => {
  const { data, make, tile, state, clip } = report;
  const ORDERS = [["chosen", "errors, then right answers"], ["apart", "same answer, most different evidence first"]];

  function sideBySide() {
    const section = document.getElementById("side");
    const shown = data.models.filter((model) => model.explain && model.explain.rows.length);
    if (!section || shown.length < 2) return;
    section.hidden = false;
    const first = shown[0].explain;
    const [images, classes] = [section.querySelector(".side-image"), section.querySelector(".side-class")];
    const sort = make("select", { class: "side-sort", "aria-label": "Order of images" }, ...ORDERS.map(([value, text]) => make("option", { value }, text)));
    images.before(sort, " ");
    classes.replaceChildren(make("option", { value: 0 }, "why, rather than"),
      ...first.columns.map((number, x) => make("option", { value: x + 1 }, data.classes[number])));
    const target = section.querySelector(".side");
    const show = () => {
      const [y, x] = [Number(images.value), Number(classes.value)];
      const row = first.rows[y];
      target.replaceChildren(make("div", { class: "card" }, tile(row.index, 160), make("small", {}, make("b", {}, clip(`true ${data.classes[row.true]}`))),
        make("small", {}, `full colour from ${row.limit} of probability`)),
      ...shown.map((model) => {
        const entry = model.explain.rows[y];
        const apart = entry.apart && entry.apart[x] !== null ? [make("small", { title: "1 − cosine similarity: 0 the same pixels, 1 nothing in common, 2 opposite" },
          clip(`${entry.apart[x].toFixed(2)} away from ${shown[0].name}`))] : [];
        return make("div", { class: "card" }, mapOf(model, y, x, 160), make("small", {}, make("b", {}, clip(model.name))),
          make("small", { class: entry.true === entry.pred ? "right" : "wrong" }, clip(`says ${data.classes[entry.pred]}`)),
          make("small", {}, x ? `p = ${entry.proba[x - 1].toFixed(3)}` : clip(`${entry.why}: ${signed(entry.difference)}`)), ...apart);
      }));
    };
    // Rows in which all models give the same answer, those whose maps of it differ most first.
    function agreed() {
      return first.rows.map((row, y) => {
        const entries = shown.map((model) => model.explain.rows[y]);
        const column = first.columns.indexOf(row.pred) + 1;
        const apart = entries.slice(1).map((entry) => (entry.apart && column ? entry.apart[column] : null)).filter((value) => value !== null);
        const same = entries.every((entry) => entry.pred === row.pred) && apart.length > 0;
        return { y, same, column, apart: Math.max(...apart) };
      }).filter(({ same }) => same).sort((a, b) => b.apart - a.apart);
    }
    function list() {
      const found = sort.value === "apart" ? agreed() : first.rows.map((_, y) => ({ y }));
      images.replaceChildren(...found.map(({ y, apart }) => {
        const row = first.rows[y];
        const said = apart === undefined ? "" : `: all say ${data.classes[row.pred]}, ${apart.toFixed(2)} apart`;
        return make("option", { value: y }, `index ${row.index}, true ${data.classes[row.true]}${said}`);
      }));
      if (found.length && found[0].column) classes.value = found[0].column;
      images.hidden = !found.length;
      if (found.length) show();
      else target.replaceChildren(make("p", { class: "faint" }, "In none of the explained images do all models give the same answer."));
    }
    images.addEventListener("change", () => {
      if (sort.value === "apart") classes.value = first.columns.indexOf(first.rows[Number(images.value)].pred) + 1;
      show();
    });
    sort.addEventListener("change", () => state.set({ evidence: sort.value === "apart" ? "apart" : null }));
    classes.addEventListener("change", show);
    section.append(make("div", { class: "tools" }, overlay(section)));
    state.on(["evidence"], () => {
      sort.value = state.get("evidence") === "apart" ? "apart" : "chosen";
      list();
    });
  }
  return { sideBySide };
})(report, reportMaps);
