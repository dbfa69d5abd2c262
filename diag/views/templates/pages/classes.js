"use strict";
// Many classes: the table that shows the lowest recall first, and the images of one class.
const reportClasses = ((report) => {
  const { data, make, percent, state } = report;
  const FIRST = 50;
  const ITEMS = 10;

  function table(target, number, shown = FIRST) {
    const model = data.models[number];
    const share = (key, label) => ({ key, label, tip: key, numeric: true, csv: report.csvRange(key),
      cell: (row) => [percent(row[key]), row[key] === null ? null : make("span", { class: "faint" }, ` (${percent(row[`${key}_low`])} – ${percent(row[`${key}_high`])})`)] });
    const columns = [
      { key: "class", label: "Class", cell: (row) => data.classes[row.class], text: (row) => data.classes[row.class] },
      { key: "support", label: "Images", tip: "n", numeric: true, format: (count) => count.toLocaleString("en") },
      share("recall", "Recall (95%)"), share("precision", "Precision (95%)"), share("f1", "F1 (95%)"),
    ];
    const body = make("div");
    report.table(body, {
      name: `${model.name} classes`, columns, rows: model.per_class.slice(0, shown), all: () => model.per_class,
      onRow: (row) => state.set({ find: row.class }, true),
    });
    const rest = model.per_class.length > shown ? make("p", {}, make("span", { class: "faint" }, `The ${shown} classes with the lowest recall. A click on one shows its confusions and images. `),
      make("button", { type: "button", onclick: () => table(target, number, model.per_class.length) }, `Show all ${model.per_class.length.toLocaleString("en")}`)) : null;
    target.replaceChildren(...[rest, body].filter(Boolean));
  }
  const SORTS = [["confidence", "largest confidence in the wrong class"], ["loss", "smallest probability of the true class"],
    ["margin", "largest distance to the second choice"]];
  const sorted = (kind) => {
    const by = state.get("sort");
    return kind === "errors" && (by === "loss" || by === "margin") ? `errors_${by}` : kind;
  };
  function sorting(target, model) {
    if (!target) return;
    report.select(target, { label: "Worst first by", key: "sort", options: SORTS });
    const others = data.models.filter((each) => each !== model && each.explain && each.explain.rows.length);
    if (!model.explain || !model.explain.rows.length || !others.length) return;
    target.append(make("button", { class: "link", type: "button", onclick: () => {
      report.go("compare", { evidence: "apart" });
      const there = () => document.getElementById("side")?.scrollIntoView();
      there();
      setTimeout(there, 800); // charts above are drawn late, and move what is below
    } }, "Same answer, different evidence"));
  }
  // The images of the class that was found; of the classes with the most errors when there is none.
  function groups(target, kind, number, draw) {
    const model = data.models[number];
    const order = kind === "unsure" ? 1 : -1;
    if (kind === "errors") sorting(target.parentElement.querySelector(".error-sort"), model);
    state.on(["find", "sort"], () => {
      const label = model.blocks ? state.whole("find", data.classes.length) : null;
      if (label === null) return draw(model.grids[sorted(kind)]);
      const items = data.index.map((index, position) => [index, position])
        .filter(([, position]) => data.true[position] === label && (model.pred[position] === label) === (kind !== "errors"))
        .sort((a, b) => order * (model.conf[a[1]] - model.conf[b[1]])).slice(0, ITEMS).map(([index]) => index);
      return draw(items.length ? [{ name: data.classes[label], items }] : []);
    });
  }
  return { table, groups };
})(report);
