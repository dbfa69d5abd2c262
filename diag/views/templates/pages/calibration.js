"use strict";
// How far probabilities can be believed: a model is chosen, a bin opens its images, a class its curves.
((report) => {
  const { data, make, percent, number, points, state, gallery, table, jump } = report;
  const SHOWN = 40;
  const range = (low, high, format) => (low === null || high === null ? "" : ` (${format(low)} to ${format(high)})`);
  const three = (value) => number(value, 3);
  const p = (value) => (value === null ? "–" : value < 0.001 ? "< 0.001" : value.toFixed(3));
  const withRange = (key, format, inPoints = false) => ({
    key, numeric: true, csv: report.csvRange(key, { points: inPoints }), cell: (row) => (row[key] === null ? "–" : `${format(row[key])}${range(row[`${key}_low`], row[`${key}_high`], format)}`),
  });
  const plain = (key, tip, format, label) => ({ key, tip, label, numeric: true, format });
  const named = (columns) => [{ key: "name", label: "Model" }, ...columns].map((column) => ({ ...column,
    label: column.label || (data.terms[column.tip] || [column.key])[0] }));
  const ranked = (section) => section.ranking.map((place) => section.models[place]);
  const whole = (section) => state.whole("model", section.models.length) ?? section.first;

  function figures(root, section) {
    table(root.querySelector(".calibration-figures"), { name: "calibration", rows: ranked(section),
      onRow: (row) => state.set({ model: section.models.indexOf(row), bin: null }), columns: named([
        { ...withRange("overconfidence", points, true), tip: "overconfidence", label: "Over-confidence, points (95%)" },
        { ...withRange("ece", three), tip: "ece", label: "ECE (95%)" }, plain("ece_by_chance", "ece_by_chance", three),
        plain("ece_p_value", "ece_p_value", p), plain("ece_equal_mass", "ece_equal_mass", three),
        plain("debiased_error", "debiased_error", three), plain("classwise_ece", "classwise_ece", (value) => number(value, 4)),
      ]) });
    table(root.querySelector(".brier-parts"), { name: "brier score", rows: ranked(section), columns: named([
        plain("log_loss", "log_loss", three), plain("brier", "brier", three),
        ...(section.sampled ? [plain("brier_of_parts", "brier_of_parts", three)] : []),
        plain("reliability", "brier_reliability", three),
        plain("resolution", "brier_resolution", three), plain("uncertainty", "brier_uncertainty", three), plain("within", "brier_within", three),
      ]) });
  }

  // ---- reliability: the chosen model in front ----
  // Beside it the best of the others, as many as a chart shows.
  function inFront(section, rows, model) {
    const shown = ranked(section).map(({ name }) => name).filter((name) => name !== model).slice(0, section.most - 1);
    return rows.filter((row) => row.model === model || shown.includes(row.model)).map((row) => ({ ...row, chosen: row.model === model }));
  }
  function reliability(root, section) {
    report.select(root.querySelector(".reliability-tools"), { label: "Model", key: "model", options: section.ranking.map((place) => [place, section.models[place].name]) });
    const box = root.querySelector(".reliability-tools select");
    const [wrong, right] = [root.querySelector(".bin-wrong"), root.querySelector(".bin-right")];
    const pick = (datum) => {
      if (datum.bin === undefined) return;
      const place = section.models.findIndex((model) => model.name === datum.model);
      state.set({ bin: datum.bin, ...(place < 0 ? {} : { model: place }) });
      jump(wrong);
    };
    report.onClick("calibration.reliability", pick);
    report.onClick("calibration.bins", pick);
    state.on(["model"], () => {
      const place = whole(section);
      const rows = inFront(section, section.reliability, section.models[place].name);
      box.value = place;
      report.chart(root.querySelector("#reliability"), "calibration.reliability", rows);
      report.chart(root.querySelector("#reliability-bins"), "calibration.bins", rows);
      const after = root.querySelector("#temperature");
      if (after) report.chart(after, "calibration.temperature", inFront(section, section.temperature, section.models[place].name));
      const own = rows.filter((row) => row.chosen);
      table(root.querySelector(".bin-table"), { name: `bins ${section.models[place].name}`, rows: [...own].reverse(), all: () => own,
        csv: ["expected_low", "expected_high"].map((key) => [key, (row) => row[key]]),
        onRow: (row) => pick(row), columns: [
          { key: "sure", label: "Bin" }, { key: "count", label: "Images", numeric: true }, { key: "wrong", label: "Wrong", numeric: true },
          { key: "confidence", label: "Confidence", numeric: true, format: (value) => report.sure(value) },
          { key: "accuracy", label: "Right", numeric: true, format: (value) => percent(value, 1), csv: report.csvRange("accuracy") } ] });
    });
    state.on(["model", "bin"], () => {
      const place = whole(section);
      const model = section.models[place];
      const bin = state.whole("bin", 20);
      const found = bin === null ? null : model.bins[bin];
      const row = found && section.reliability.find((each) => each.model === model.name && each.bin === bin);
      if (!found || !row) {
        wrong.replaceChildren();
        right.replaceChildren();
        if (bin !== null) gallery(wrong, { title: `${model.name}: ${5 * bin} to ${5 * bin + 5} % sure and wrong`, items: [], total: 0, models: [place] });
        return;
      }
      const outside = row.accuracy < row.expected_low || row.accuracy > row.expected_high;
      gallery(wrong, { title: `${model.name}: ${row.sure} and wrong`, items: found.wrong, total: found.n_wrong, models: [place],
        note: `${percent(row.accuracy, 1)} of the ${row.count.toLocaleString("en")} images in this bin are right; if every confidence were true, ${percent(row.expected_low, 1)} to ${percent(row.expected_high, 1)} would be${outside ? "." : ", so it is no sign of bad calibration."}` });
      gallery(right, { title: `${row.sure} and right`, items: found.right, total: found.n_right, models: [place] });
    });
  }
  function temperature(root, section) {
    const target = root.querySelector(".temperature-table");
    if (!target) return;
    const change = (key, label, tip) => ({ key: `${key}_after`, label, tip, numeric: true,
      csv: ["before", "after"].map((when) => [`${key}_${when}`, (row) => row[`${key}_${when}`]]), cell: (row) => `${three(row[`${key}_before`])} → ${three(row[`${key}_after`])}` });
    table(target, { name: "temperature", rows: ranked(section),
      onRow: (row) => state.set({ model: section.models.indexOf(row), bin: null }), columns: named([
        { ...withRange("temperature", (value) => number(value, 2)), tip: "temperature_range", label: "Temperature (between folds)" },
        change("ece", "ECE", "after_scaling"), change("log_loss", "Log loss", "after_scaling"), change("brier", "Brier", "after_scaling"),
      ]) });
  }

  // ---- one class against the rest ----
  function curves(root, section) {
    if (!section.curves) return;
    const { options, lists } = section.curves;
    report.select(root.querySelector(".curve-tools"), { label: "Curves of", key: "roc", options });
    const chosen = () => (Object.hasOwn(lists, state.get("roc") ?? "") ? state.get("roc") : "macro");
    state.on(["roc"], () => {
      const which = chosen();
      const asked = state.get("roc");
      const missing = asked !== null && asked !== which && /^\d+$/.test(asked) && data.classes[asked] !== undefined;
      root.querySelector(".said-of-curve").textContent = missing
        ? `The curves of ${data.classes[asked]} are not in this file, only its figures below; the dashboard draws them.` : "";
      root.querySelector(".curve-tools select").value = which;
      const [share] = lists[which].share;
      for (const kind of ["roc", "pr"]) {
        const rows = lists[which][kind].flatMap(([place, x, y]) => x.map((each, step) => (
          { model: section.models[place].name, x: each, y: y[step], share: share ?? null })));
        report.chart(root.querySelector(`#${kind}`), `calibration.${kind}`, rows);
      }
    });
    const area = (key, tip, label) => ({ ...withRange(key, (value) => number(value, 4)), tip, label });
    table(root.querySelector(".average-table"), { name: "averages", rows: ranked(section), columns: named([
        area("macro_auc", "macro_average", "AUC, macro (95%)"), area("micro_auc", "micro_average", "AUC, micro (95%)"),
        area("macro_average_precision", "macro_average", "Average precision, macro (95%)"),
        area("micro_average_precision", "micro_average", "Average precision, micro (95%)") ]) });
    const search = root.querySelector(".find-class");
    const target = root.querySelector(".class-table");
    const columns = [
      { key: "class_number", label: "Class", cell: (row) => data.classes[row.class_number], text: (row) => data.classes[row.class_number] },
      { key: "count", label: "Images", numeric: true },
      area("auc", "auc", "AUC (95%)"), area("average_precision", "average_precision", "Average precision (95%)") ];
    const list = () => {
      const model = section.models[whole(section)];
      const rows = model.classes || [];
      const wanted = search ? search.value.trim().toLowerCase() : "";
      const found = rows.filter((row) => !wanted || data.classes[row.class_number].toLowerCase().includes(wanted));
      root.querySelector(".class-title").textContent = `Classes by ${model.name}, lowest AUC first${rows.length && !found.length ? `: no class contains '${wanted}'` : ""}${found.length > SHOWN ? `: ${SHOWN} of ${found.length.toLocaleString("en")}` : ""}`;
      table(target, { name: `classes ${model.name}`, rows: found.slice(0, SHOWN), all: () => rows,
        onRow: (row) => { state.set({ roc: row.class_number }); jump(root.querySelector(".curve-tools")); },
        chosen: (row) => String(row.class_number) === state.get("roc"), columns });
    };
    if (search) search.addEventListener("input", list);
    state.on(["model", "roc"], list);
  }
  function ranking(root, section) {
    table(root.querySelector(".coverage-table"), { name: "coverage", rows: ranked(section), columns: named([
        { ...withRange("accuracy_at_coverage", (value) => percent(value, 1)), tip: "accuracy_at_coverage", label: "Accuracy at 90% (95%)" },
        { ...withRange("coverage_at_accuracy", (value) => percent(value, 1)), tip: "coverage_at_accuracy", label: "Coverage at 99% (95%)" },
        { ...withRange("aurc", (value) => number(value, 4)), tip: "aurc", label: "AURC (95%)" },
        { ...withRange("excess_aurc", (value) => number(value, 4)), tip: "excess_aurc", label: "Excess AURC (95%)" } ]) });
    const two = data.classes.length === 2;
    table(root.querySelector(".cost-table"), { name: "costs", rows: section.costs, columns: named([
        { ...withRange("cost", (value) => number(value, 4)), tip: "expected_cost", label: "Cost (95%)" },
        ...(two ? [{ ...plain("threshold", "best_threshold", three), cell: (row) => (row.never ? "never" : three(row.threshold)) }, plain("threshold_cost", null, (value) => number(value, 4), "Cost there"),
          plain("cross_validated_cost", "cross_validated_cost", (value) => number(value, 4))] : []) ]) });
  }

  report.page("calibration", (root, section) => {
    figures(root, section);
    reliability(root, section);
    temperature(root, section);
    curves(root, section);
    ranking(root, section);
  });
})(report);
