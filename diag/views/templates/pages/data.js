"use strict";
// The data: slices, doubtful labels, duplicates, and the first images of each class. The map is in data_map.js.
((report) => {
  const { data, make, percent, points, state, tile, zoom, gallery, table, jump, csvButton, clip } = report;

  function slices(root, section) {
    const target = root.querySelector(".slices-table");
    if (!target || !section.slices) return;
    const rows = section.slices;
    const open = (row) => {
      state.set({ slice: row.row });
      jump(root.querySelector(".slice-images"));
    };
    table(target, { name: "slices", rows, onRow: open, columns: [
      { key: "slice", label: "Slice", tip: "slice", cell: (row) => [clip(row.slice, 60), row.inside === null ? null : make("small", {}, clip(`inside ${row.inside}`, 60))],
        csv: [["Slice", (row) => row.slice], ["inside", (row) => row.inside]] },
      { key: "n", label: "Images", tip: "n", numeric: true, format: (value) => value.toLocaleString("en") },
      { key: "errors", label: "Errors", numeric: true, format: (value) => value.toLocaleString("en") },
      { key: "accuracy", label: "Accuracy (95%)", tip: "accuracy_interval", numeric: true,
        cell: (row) => [percent(row.accuracy), " ", make("span", { class: "faint" }, `(${percent(row.accuracy_low)} – ${percent(row.accuracy_high)})`)], csv: report.csvRange("accuracy") },
      { key: "rest", label: "Elsewhere", tip: "slice_rest", numeric: true, format: (value) => percent(value) },
      { key: "difference", label: "Difference, points", tip: "slice_difference", numeric: true, format: (value) => points(value), csv: [report.csvRange("difference", { points: true })[0]] },
      { key: "p_adjusted", label: "p, adjusted", tip: "slice_p", numeric: true, format: (value) => (value < 0.0001 ? "< 0.0001" : value.toFixed(4)) },
    ] });
    const lines = [...target.querySelectorAll("tbody tr")];
    lines.forEach((line, place) => line.classList.toggle("chance", !rows[place].significant));
    report.onClick("data.slices", (row) => { if (row.row !== undefined && rows[row.row]) open(rows[row.row]); });
    state.on(["slice", "model"], () => {
      const place = state.whole("slice", rows.length);
      lines.forEach((line, number) => line.classList.toggle("strong", number === place));
      const images = root.querySelector(".slice-images");
      if (place === null) return images.replaceChildren();
      const row = rows[place];
      const said = data.models.map((model, number) => `${model.name} ${percent(row.models[number])}`).join(", ");
      const sure = row.significant ? "" : " It may be chance.";
      return gallery(images, { title: row.slice, items: row.items, total: row.n, models: [section.best], order: "errors first",
        note: `Right in this slice: ${said}.${sure}` });
    });
  }

  // What several models say of an image, in few words.
  function answers(index) {
    const position = report.position(index);
    const counts = new Map();
    for (const model of data.models) counts.set(model.pred[position], (counts.get(model.pred[position]) || 0) + 1);
    const told = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3)
      .map(([answer, count]) => (data.models.length > 1 ? `${count} × ${data.classes[answer]}` : data.classes[answer]));
    return `#${index}, label ${data.classes[data.true[position]]}, said ${told.join(", ")}`;
  }
  function issues(root, section) {
    const target = root.querySelector(".issue-kinds");
    if (!target || !section.issues) return;
    const { kinds, csv } = section.issues;
    const FEW = 12;
    const list = (kind, count) => kind.items.slice(0, count).map((index, place) => (report.has(index)
      ? make("button", { type: "button", class: "issue", onclick: () => zoom(index) }, tile(index),
        make("span", {}, clip(kind.sentences[place], 260, "clip long"), make("small", { class: "who" }, clip(answers(index), 100)))) : null));
    for (const kind of kinds) {
      const head = kind.title[0].toUpperCase() + kind.title.slice(1);
      const grid = make("div", { class: "issue-list" }, list(kind, FEW));
      const more = kind.items.length > FEW ? make("button", { type: "button", onclick: (event) => {
        grid.replaceChildren(...list(kind, kind.items.length).filter(Boolean));
        event.target.remove();
      } }, `Show ${kind.items.length}`) : null;
      const cut = kind.total > kind.items.length ? make("p", { class: "faint" }, `The first ${kind.items.length} are in this file; all are in diag.label_issues.`) : null;
      target.append(make("h3", {}, `${head}: ${kind.total.toLocaleString("en")}`), grid, ...[more, cut].filter(Boolean));
    }
    if (csv.rows.length) target.append(make("p", {}, csvButton("label issues", () => [csv.columns, csv.rows])));
  }

  function duplicates(root, section) {
    const target = root.querySelector(".duplicates");
    if (!target || !section.duplicates) return;
    const rows = section.duplicates.rows;
    const pair = (row) => {
      const [one, other] = row.images;
      const partner = row.train === null ? (other === undefined ? null : tile(other)) : report.trainingTile(row.train);
      return make("button", { type: "button", class: "twins", onclick: () => (row.train === null || !partner ? zoom(one) : zoom(one, row.train)) },
        make("span", { class: "two" }, tile(one), partner), make("small", {}, row.images.map((index) => `#${index}`).join(", "), row.train === null ? "" : ` and ${report.trainingText(row.train)}`),
        make("small", {}, row.said), row.labels ? make("small", { class: "wrong" }, row.labels) : null);
    };
    const some = rows.filter((row) => row.images.every((index) => report.has(index)));
    if (some.length) target.append(make("div", { class: "pairs" }, some.map(pair)));
    if (!rows.length) return;
    const { columns, rows: lines } = section.duplicates.csv;
    target.append(make("p", {}, csvButton("duplicates", () => [columns, lines])));
  }

  function firsts(target, limit) {
    const all = data.samples.length;
    target.replaceChildren(...data.samples.slice(0, limit).map((group) => make("div", { class: "group" }, make("b", {}, clip(group.name)),
      make("div", { class: "cards" }, group.items.filter(report.has).map((index) => make("button",
        { class: "card", type: "button", onclick: () => zoom(index) }, tile(index)))))));
    if (all > limit) target.append(make("button", { type: "button", onclick: () => firsts(target, all) }, `Show all ${all} classes`));
  }

  report.page("data", (root, section) => {
    for (const button of root.querySelectorAll("[data-to]")) {
      button.addEventListener("click", () => root.querySelector(`[data-part=${button.dataset.to}]`).scrollIntoView());
    }
    firsts(root.querySelector("[data-groups=samples]"), 12);
    slices(root, section);
    issues(root, section);
    duplicates(root, section);
    if (section.map && report.embeddingMap) report.embeddingMap(root, section);
  });
})(report);
