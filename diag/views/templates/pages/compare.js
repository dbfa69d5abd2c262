"use strict";
// Models against each other: the pair that is chosen, then all of them together.
((report) => {
  const { data, make, percent, number, points, state, gallery, table, jump } = report;
  const right = (model, position) => data.models[model].pred[position] === data.true[position];
  const confidence = (model, position) => data.models[model].conf[position];
  const EXPLAINED = { average: "ensemble_average", vote: "ensemble_vote", greedy: "greedy_selection", oracle: "oracle" };
  // What the four cells of the 2x2 table hold: whether A, whether B is right.
  const QUADRANTS = { both_right: [true, true], only_a: [true, false], only_b: [false, true], both_wrong: [false, false] };

  function included(wanted, surest) {
    const found = [];
    for (let position = 0; position < data.index.length; position += 1) if (wanted(position)) found.push(position);
    return found.sort((one, two) => surest(two) - surest(one)).map((position) => data.index[position]);
  }
  const surestWrong = (a, b) => (position) => Math.max(...[a, b].map((model) => (right(model, position) ? 0 : confidence(model, position))));

  // The same pair with A and B in each other's place.
  function turned(pair) {
    const minus = (value) => (value === null ? null : -value);
    const other = { only_a: "only_b", only_b: "only_a" };
    return { ...pair, a: pair.b, b: pair.a, only_a: pair.only_b, only_b: pair.only_a, quadrant: other[pair.quadrant] || pair.quadrant,
      cells: pair.cells.map((row) => ({ ...row, count_a: row.count_b, count_b: row.count_a, delta: -row.delta })),
      metrics: pair.metrics.map((row) => ({ ...row, value_a: row.value_b, value_b: row.value_a, difference: minus(row.difference),
        low: minus(row.high), high: minus(row.low) })) };
  }
  function chosenPair(section) {
    const asked = state.get("pair");
    const pair = section.pairs.find((each) => each.key === asked);
    if (pair) return pair;
    const reverse = section.pairs.find((each) => `${each.b}-${each.a}` === asked);
    return reverse ? turned(reverse) : section.pairs.find((each) => each.key === section.first);
  }
  const names = (pair) => [data.models[pair.a].name, data.models[pair.b].name];

  // ---- the pair ----
  function choosers(root, section) {
    const target = root.querySelector(".choose-pair");
    const boxes = ["A", "B"].map((label) => {
      const box = make("select", { "aria-label": `Model ${label}` }, section.ranking.map((place) => make("option", { value: place }, data.models[place].name)));
      target.append(make("label", { class: "pick" }, label, box));
      return box;
    });
    const choose = (changed) => {
      const before = chosenPair(section);
      let [a, b] = boxes.map((box) => Number(box.value));
      if (a === b && changed === 0) b = before.a; // the two change places
      else if (a === b) a = before.b;
      if (section.pairs.some((each) => each.key === `${Math.min(a, b)}-${Math.max(a, b)}`)) state.set({ pair: `${a}-${b}`, quadrant: null, change: null });
      else showPair();
    };
    boxes.forEach((box, place) => box.addEventListener("change", () => choose(place)));
    const showPair = () => {
      const pair = chosenPair(section);
      boxes[0].value = pair.a;
      boxes[1].value = pair.b;
    };
    return showPair;
  }
  function quadrantTable(root, pair) {
    const [a, b] = names(pair);
    const total = pair.both_right + pair.only_a + pair.only_b + pair.both_wrong;
    const cell = (key) => make("td", { class: `${key}${(state.get("quadrant") || pair.quadrant) === key ? " strong" : ""}` },
      make("button", { type: "button", onclick: () => { state.set({ quadrant: key }); jump(root.querySelector(".quadrant-images")); } },
        make("b", {}, pair[key].toLocaleString("en")), make("small", {}, percent(total ? pair[key] / total : null))));
    const head = (scope, name, said) => make("th", { scope }, report.clip(name), ` ${said}`);
    const grid = root.querySelector(".quadrants");
    grid.tHead.replaceChildren(make("tr", {}, make("th", {}), head("col", b, "right"), head("col", b, "wrong")));
    grid.tBodies[0].replaceChildren(
      make("tr", {}, head("row", a, "right"), cell("both_right"), cell("only_a")),
      make("tr", {}, head("row", a, "wrong"), cell("only_b"), cell("both_wrong")));
  }
  function quadrantImages(root, pair) {
    const [a, b] = names(pair);
    const asked = state.get("quadrant");
    const key = QUADRANTS[asked] ? asked : pair.quadrant;
    const title = { both_right: `${a} and ${b} are right`, only_a: `Only ${a} is right`, only_b: `Only ${b} is right`, both_wrong: `${a} and ${b} are wrong` }[key];
    const wanted = (position) => right(pair.a, position) === QUADRANTS[key][0] && right(pair.b, position) === QUADRANTS[key][1];
    const surest = key === "both_right" ? (position) => -Math.min(confidence(pair.a, position), confidence(pair.b, position)) : surestWrong(pair.a, pair.b);
    gallery(root.querySelector(".quadrant-images"), { title, items: included(wanted, surest), total: pair[key], models: [pair.a, pair.b],
      order: key === "both_right" ? "least confident first" : "most confident errors first" });
  }
  function metricTable(root, pair) {
    const [a, b] = names(pair);
    const shown = (row, value) => (row.share ? percent(value, 2) : number(value));
    const gap = (row, value) => (row.share ? points(value) : `${value < 0 ? "−" : "+"}${number(Math.abs(value))}`);
    table(root.querySelector(".metrics"), { name: `${a} and ${b}`, rows: pair.metrics, columns: [
      { key: "metric", label: "Figure", cell: (row) => report.tip(row.metric), csv: [["Figure", (row) => row.metric], ["unit", (row) => (row.share ? "share" : "nats")]] },
      { key: "value_a", label: a, numeric: true, cell: (row) => shown(row, row.value_a) },
      { key: "value_b", label: b, numeric: true, cell: (row) => shown(row, row.value_b) },
      { key: "difference", label: "A − B", csv: "difference", tip: "paired_difference", numeric: true, cell: (row) => gap(row, row.difference) },
      { key: "low", label: "95% interval", tip: "bca_interval", numeric: true, cell: (row) => `${gap(row, row.low)} to ${gap(row, row.high)}`,
        csv: [["low", (row) => row.low], ["high", (row) => row.high]] },
    ] });
  }
  // The images behind a class ("c5") or a cell ("3-5") in which the two models differ.
  function changeImages(root, pair, total) {
    const target = root.querySelector(".difference-images");
    const asked = state.get("change") || "";
    const [a, b] = names(pair);
    const models = [pair.a, pair.b];
    const says = (model, position, x) => data.models[model].pred[position] === x;
    const cell = /^(\d{1,6})-(\d{1,6})$/.exec(asked);
    const single = /^c(\d{1,6})$/.exec(asked);
    if (cell && Number(cell[1]) < data.classes.length && Number(cell[2]) < data.classes.length) {
      const [y, x] = [Number(cell[1]), Number(cell[2])];
      const wanted = (position) => data.true[position] === y && says(pair.a, position, x) !== says(pair.b, position, x);
      const items = included(wanted, surestWrong(...models));
      const said = (model) => `${data.models[model].name} says ${data.classes[x]} ${items.filter((index) => says(model, report.position(index), x)).length} times`;
      const part = data.index.length < total ? " Only images that are in this file are counted." : "";
      return gallery(target, { title: `True ${data.classes[y]}, and one of the two says ${data.classes[x]}`, items, models, total: items.length,
        note: `${models.map(said).join(", ")}.${part}` });
    }
    if (single && Number(single[1]) < data.classes.length) {
      const y = Number(single[1]);
      const row = pair.classes.find((each) => each.number === y);
      const wanted = (position) => data.true[position] === y && right(pair.a, position) !== right(pair.b, position);
      const items = included(wanted, surestWrong(...models));
      return gallery(target, { title: `Class ${data.classes[y]}: right in one of ${a} and ${b}`, items, models,
        total: row ? row.only_a + row.only_b : items.length, note: row ? row.sentence : null });
    }
    return target.replaceChildren();
  }
  function changedCells(root, pair) {
    const target = root.querySelector(".changed-cells");
    if (!target) return;
    const [a, b] = names(pair);
    table(target, { name: `changed confusions ${a} ${b}`, rows: pair.cells, onRow: (row) => state.set({ change: `${row.true}-${row.pred}` }), columns: [
      { key: "true", label: "True", cell: (row) => data.classes[row.true], text: (row) => data.classes[row.true] },
      { key: "pred", label: "Predicted", cell: (row) => data.classes[row.pred], text: (row) => data.classes[row.pred] },
      { key: "count_a", label: a, numeric: true }, { key: "count_b", label: b, numeric: true }, { key: "delta", label: "A − B", csv: "difference_images", numeric: true } ] });
  }
  function showPair(root, section) {
    const pair = chosenPair(section);
    root.querySelector(".said-of-pair").textContent = pair.sentence;
    quadrantTable(root, pair);
    metricTable(root, pair);
    changedCells(root, pair);
    const left = root.querySelector(".not-detailed");
    left.hidden = pair.detailed;
    left.textContent = `Of ${section.pairs.length} pairs not all are in this file class by class. For this one: diag report A B, with the files of ${pair.name_a} and ${pair.name_b}.`;
    root.querySelector(".by-class").hidden = !pair.detailed;
    report.chart(root.querySelector("#class-differences"), `compare.classes-${pair.key}`);
    const matrix = root.querySelector("#confusion-difference");
    if (matrix) report.chart(matrix, `compare.matrix-${pair.key}`);
  }
  const inPoints = report.csvRange("difference", { ends: "", points: true });
  // Of many pairs those with one model are listed, the best at first.
  const ALL = "all";
  const withModel = (section) => (state.get("with") === ALL ? null : state.whole("with", data.models.length) ?? section.only_with);
  function pairsWith(root, section) {
    if (section.only_with === null) return;
    const options = [...section.ranking.map((place) => [place, data.models[place].name]), [ALL, `all ${section.pairs.length} pairs`]];
    report.select(root.querySelector(".pairs-with"), { label: "With", key: "with", options });
    state.on(["with"], () => allPairs(root, section));
  }
  function allPairs(root, section) {
    const target = root.querySelector(".all-pairs");
    const gap = (row) => `${points(row.difference)} (${points(row.difference_low)} to ${points(row.difference_high)})`;
    const p = (value) => (value < 1e-4 ? "< 0.0001" : value.toFixed(4));
    const only = withModel(section);
    const rows = only === null ? section.pairs : section.pairs.filter((pair) => pair.a === only || pair.b === only);
    table(target, { name: "pairs", rows, all: () => section.pairs, chosen: (row) => row.key === chosenPair(section).key, columns: [
      { key: "name_a", label: "A" }, { key: "name_b", label: "B" },
      { key: "only_a", label: "Only A", csv: "only_a_images", tip: "quadrants", numeric: true }, { key: "only_b", label: "Only B", csv: "only_b_images", tip: "quadrants", numeric: true },
      { key: "difference", label: "A − B, points (95%)", tip: "paired_difference", numeric: true, cell: gap, csv: inPoints },
      { key: "p_adjusted", csv: "p_adjusted", tip: "p_adjusted", numeric: true, format: p },
      { key: "relation_text", label: "Verdict" },
      { key: "smallest_detectable", tip: "smallest_detectable", numeric: true, format: (value) => (value === null ? "–" : `${(100 * value).toFixed(1)}`), csv: [report.csvRange("smallest_detectable", { points: true })[0]] },
    ], onRow: (row) => { state.set({ pair: row.key, quadrant: null, change: null }); jump(root.querySelector(".choose-pair")); } });
  }

  // ---- all of them ----
  function together(root, section) {
    const target = root.querySelector(".overlap-images");
    report.onClick("compare.overlap", (datum) => { if (datum.key) { state.set({ combo: datum.key }); jump(target); } });
    state.on(["combo"], (get) => {
      const set = section.sets.find((each) => each.key === get("combo"));
      if (!set) return target.replaceChildren();
      const models = set.key.split("-").map(Number);
      return gallery(target, { title: `Wrong in ${models.length === data.models.length ? "every model" : `exactly: ${set.models}`}`, items: set.items, total: set.count,
        models: models.slice(0, 3), note: `${set.same_class.toLocaleString("en")} of them get the same wrong class from all of these models.` });
    });
    const share = (value) => percent(value);
    table(root.querySelector(".agreement-table"), { name: "agreement", rows: section.agreement, columns: [
      { key: "a", label: "A" }, { key: "b", label: "B" }, { key: "same_answer", tip: "same_answer", numeric: true, format: share },
      { key: "kappa", tip: "kappa", numeric: true, format: number }, { key: "q_statistic", tip: "q_statistic", numeric: true, format: number },
      { key: "double_fault", tip: "double_fault", numeric: true, format: share }, { key: "disagreement", tip: "disagreement", numeric: true, format: share } ] });
  }
  function ensembles(root, section) {
    const target = root.querySelector(".ensemble-table");
    if (!section.ensembles) return;
    const images = root.querySelector(".ensemble-images");
    const gap = (row) => (row.difference_low === null ? "–" : `${points(row.difference)} (${points(row.difference_low)} to ${points(row.difference_high)})`);
    table(target, { name: "ensembles", rows: section.ensembles, columns: [
      { key: "name", label: "Model or ensemble", cell: (row) => (EXPLAINED[row.kind] ? report.tip(EXPLAINED[row.kind], row.name) : row.name), text: (row) => row.name }, { key: "members", label: "Of", cell: (row) => (row.n_members === data.models.length ? `all ${row.n_members}` : row.n_members > 2 || row.naive_accuracy !== null ? row.members : ""), text: (row) => row.members },
      { key: "accuracy", tip: "accuracy", numeric: true, format: (value) => percent(value, 2), csv: report.csvRange("accuracy") },
      { key: "naive_accuracy", tip: "naive_accuracy", numeric: true, format: (value) => percent(value, 2) },
      { key: "log_loss", tip: "log_loss", numeric: true, format: number },
      { key: "difference", label: `Against ${section.best}, points (95%)`, numeric: true, cell: gap, csv: [...inPoints, ["compared_with", () => section.best]] },
      { key: "p_adjusted", tip: "ensemble_p", numeric: true, format: (value) => (value === null ? "–" : value < 1e-4 ? "< 0.0001" : value.toFixed(4)) },
      { key: "mends", tip: "mends", numeric: true }, { key: "breaks", tip: "breaks", numeric: true },
    ], onRow: (row) => { state.set({ ensemble: row.key }); jump(images); } });
    report.onClick("compare.ensembles", (datum) => { if (datum.key) { state.set({ ensemble: datum.key }); jump(images); } });
    state.on(["ensemble"], (get) => {
      const row = section.ensembles.find((each) => each.key === get("ensemble"));
      if (!row || !row.mended) return images.replaceChildren();
      const best = data.models.findIndex((model) => model.name === section.best);
      const [first, second] = [make("div"), make("div")];
      gallery(first, { title: `${row.name} is right, ${section.best} wrong`, items: row.mended, total: row.mends, models: [best] });
      gallery(second, { title: `${section.best} is right, ${row.name} wrong`, items: row.broken, total: row.breaks, models: [best] });
      return images.replaceChildren(first, second);
    });
  }

  report.page("compare", (root, section) => {
    const shown = choosers(root, section);
    const pick = (datum) => {
      const change = datum.y_pred === undefined ? `c${datum.y_true}` : `${datum.y_true}-${datum.y_pred}`;
      if (datum.y_true !== undefined) state.set({ change });
      jump(root.querySelector(".difference-images"));
    };
    for (const pair of section.pairs) {
      report.onClick(`compare.classes-${pair.key}`, pick);
      report.onClick(`compare.matrix-${pair.key}`, pick);
    }
    const open = (datum) => {
      if (!datum.pair) return;
      state.set({ pair: datum.pair.split("-").map(Number).sort((one, two) => one - two).join("-"), quadrant: null, change: null });
      jump(root.querySelector(".choose-pair"));
    };
    report.onClick("compare.differences", open);
    report.onClick("compare.agreement", open);
    state.on(["pair"], () => { shown(); showPair(root, section); allPairs(root, section); });
    state.on(["pair", "quadrant"], () => { quadrantTable(root, chosenPair(section)); quadrantImages(root, chosenPair(section)); });
    state.on(["pair", "change"], () => changeImages(root, chosenPair(section), section.n));
    pairsWith(root, section);
    together(root, section);
    ensembles(root, section);
    reportSide.sideBySide();
  });
})(report);
