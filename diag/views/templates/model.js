"use strict";
// The page of one model: where it fails, its images, its maps and filters. The model is chosen at the top of the page.
((report, { mapOf, signed, overlay }) => {
  const { data, make, percent, tile, card, gallery, jump, clip, state } = report;
  const articles = [...document.querySelectorAll("article.model")];
  const GROUPS = 12;

  function groups(target, found, number, limit = GROUPS) {
    target.replaceChildren(...found.slice(0, limit).map((group) => make("div", { class: "group", "data-name": group.name }, make("b", {}, clip(group.name)),
      make("div", { class: "cards" }, group.items.map((index) => card(index, [number], { showTrue: false })).filter(Boolean)))));
    if (!found.length) target.replaceChildren(make("p", { class: "faint" }, "None."));
    if (found.length > limit) {
      target.append(make("button", { type: "button", onclick: () => groups(target, found, number, found.length) },
        `Show all ${found.length} classes`));
    }
  }

  // ---- confusion cells ----
  function showCell(number, row, column) {
    const model = data.models[number];
    const target = articles[number].querySelector(".cell-images");
    const total = (model.cells.find((cell) => cell[0] === row && cell[1] === column) || [0, 0, 0])[2];
    const found = data.index
      .map((index, position) => [index, position])
      .filter(([, position]) => data.true[position] === row && model.pred[position] === column)
      .sort((a, b) => model.conf[b[1]] - model.conf[a[1]]);
    const title = row === column
      ? `${data.classes[row]}, rightly recognised`
      : `${data.classes[row]} taken for ${data.classes[column]}`;
    gallery(target, { title, items: found.map(([index]) => index), total, models: [number] });
    if (model.blocks) return;
    const article = articles[number];
    article.querySelector(".cell-true").value = row;
    article.querySelector(".cell-pred").value = column;
  }
  const pick = (row, column) => state.set({ cell: `${row}-${column}` });
  function arrows(event, number) {
    const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [];
    if (down === undefined) return;
    event.preventDefault();
    const inside = (selector, step) => Math.min(data.classes.length - 1,
      Math.max(0, Number(articles[number].querySelector(selector).value) + step));
    pick(inside(".cell-true", down), inside(".cell-pred", across));
  }
  function chosenCell() {
    const parts = /^(\d{1,6})-(\d{1,6})$/.exec(state.get("cell") || "");
    if (!parts) return null;
    const cell = [Number(parts[1]), Number(parts[2])];
    return Math.max(...cell) < data.classes.length ? cell : null;
  }

  function maps(target, model) {
    const found = model.explain;
    if (!found) return target.replaceChildren(make("p", { class: "message" }, model.explain_message));
    const unchecked = model.trust_message ? [make("p", { class: "faint" }, model.trust_message)] : [];
    const head = make("tr", {}, make("th", { class: "row" }, ""), make("th", {}, "image"),
      make("th", { scope: "col", class: "why" }, "why, rather than"),
      ...found.columns.map((number) => make("th", { scope: "col" }, clip(data.classes[number]))));
    const body = found.rows.map((row, y) => make("tr", {},
      make("th", { class: "row", scope: "row" }, make("b", {}, row.true === row.pred
        ? `${data.classes[row.true]}, right` : `${data.classes[row.true]} → ${data.classes[row.pred]}`),
        make("br"), `index ${row.index}`, make("br"), `colour to ${row.limit}`, make("br"),
        make("span", { class: row.inexact ? "wrong" : "", title: "largest |base value + sum of the map − output|" },
          `additivity ${row.error}`)),
      make("td", {}, tile(row.index, 72)),
      make("td", { class: "why" }, mapOf(model, y, 0, 72), make("span", { class: "p" }, row.why), make("span", { class: "p" }, signed(row.difference))),
      ...found.columns.map((number, x) => make("td",
        { class: `${number === row.true ? "true " : ""}${number === row.pred ? "pred" : ""}` },
        mapOf(model, y, x + 1, 72), make("span", { class: "p" }, row.proba[x].toFixed(3))))));
    return target.replaceChildren(...(found.warning ? [make("p", { class: "message" }, found.warning)] : []),
      make("p", { class: "faint" }, `Red pixels spoke for the class of the column, blue ones against it; under each map the class's probability. The first map says why the predicted class rather than the true one, or of a right answer rather than the runner-up: the difference of two maps, above the difference of their probabilities. The true class is framed blue, a wrong prediction orange. ${found.note} Largest additivity error: ${found.worst}.`),
      make("div", { class: "tools" },
        make("div", { class: "bar" }, "against", make("i"), `for; each row has one scale in all models, full colour from that much probability a ${found.block > 1 ? `block of ${found.block} × ${found.block} pixels` : "pixel"}`),
        overlay(target)),
      make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))), ...unchecked);
  }
  function trust(target, model, number) {
    if (!target) return;
    const found = model.trust;
    const said = target.querySelector(".said");
    said.textContent = found.verdict;
    said.classList.toggle("message", !found.passed);
    target.querySelector(".note").textContent = found.note;
    target.querySelector(".where").replaceChildren(...found.where.map((entry) => make("div", { class: "card" },
      make("img", { src: entry.src, alt: `mean map of ${entry.name}` }), make("small", {}, make("b", {}, entry.name)),
      make("small", {}, entry.location), make("small", {}, `${entry.count} images`))));
    target.querySelector(".where-note").textContent = found.where_note;
    target.querySelector(".ways").replaceChildren(...found.ways.map((way) => make("div", {},
      make("p", {}, make("b", {}, `${way.name}: `), way.text),
      make("div", { class: "cards" }, ...way.items.map((index) => card(index, [number])).filter(Boolean)))));
  }
  function filters(target, model) {
    if (model.filters_message) return target.replaceChildren(make("p", { class: "message" }, model.filters_message));
    const layers = make("div");
    const show = (entry) => layers.replaceChildren(...entry.layers.map((layer) => {
      const image = make("img", { src: layer.src, alt: `activations of ${layer.name} for image ${entry.index}` });
      image.style.width = `${Math.min(960, layer.width * Math.max(1, Math.round(900 / layer.width)))}px`;
      const more = layer.shown < layer.of ? `, ${layer.shown} of ${layer.of} filters shown` : "";
      return make("div", { class: "layer" }, make("b", {}, layer.name), " ", make("small", {}, `${layer.shape}${more}`), image);
    }));
    const choice = make("div", { class: "cards" }, ...model.activations.map((entry) => make("button",
      { class: "card", type: "button", onclick: () => show(entry), "aria-label": `activations for image ${entry.index}` },
      tile(entry.index), make("small", {}, `index ${entry.index}`))));
    const kernels = model.kernels;
    target.replaceChildren(make("h3", {}, `Kernels of the first convolution, ${kernels.layer} (${kernels.shape})`),
      make("p", { class: "faint" }, "Each on its own scale: smallest weight black, largest white."),
      make("div", { class: "kernels" }, ...kernels.images.map((src, number) => make("img", { src, alt: `kernel ${number}` }))),
      make("h3", {}, "Activations of every convolution layer, for the image chosen here"),
      make("p", { class: "faint" }, "Each filter on its own scale."), choice, layers);
    return show(model.activations[0]);
  }
  function examples(target, model) {
    if (!target) return;
    if (!model.examples) {
      target.replaceChildren(make("p", { class: "faint" }, "With many classes, click a cell of the confusion matrix instead."));
      return;
    }
    const head = make("tr", {}, make("th", {}, "true ↓ predicted →"), ...data.classes.map((name) => make("th", { scope: "col" }, clip(name))));
    const body = model.examples.map((row, y) => make("tr", {}, make("th", { scope: "row" }, clip(data.classes[y])),
      ...row.map((index, x) => make("td", { class: x === y ? "diagonal" : "" }, index === null ? "" : tile(index, 40)))));
    target.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  }
  const filled = new Set();
  function fill(number) {
    if (filled.has(number)) return;
    filled.add(number);
    const [article, model] = [articles[number], data.models[number]];
    for (const target of article.querySelectorAll("[data-groups]")) {
      reportClasses.groups(target, target.dataset.groups, number, (found) => groups(target, found, number));
    }
    if (model.per_class) reportClasses.table(article.querySelector(".class-table"), number);
    for (const select of article.querySelectorAll(".cell-true, .cell-pred")) {
      select.replaceChildren(...data.classes.map((name, value) => make("option", { value }, name)));
      select.addEventListener("change", () => pick(article.querySelector(".cell-true").value, article.querySelector(".cell-pred").value));
    }
    for (const button of article.querySelectorAll("[data-cell]")) {
      button.addEventListener("click", () => {
        pick(...button.dataset.cell.split("-"));
        jump(article.querySelector(".cell-images"));
      });
    }
    for (const figure of article.querySelectorAll("figure[data-click=cell]")) {
      figure.addEventListener("keydown", (event) => arrows(event, number));
    }
    if (model.blocks) {
      reportBlocks.view(article.querySelector(".blocks"), number, (row, column) => {
        pick(row, column);
        jump(article.querySelector(".cell-images"));
      });
    }
    examples(article.querySelector(".examples"), model);
    maps(article.querySelector(".maps"), model);
    trust(article.querySelector(".trust"), model, number);
    filters(article.querySelector(".filters"), model);
    report.dress(article);
  }
  function largest(model) {
    const [cell] = model.cells.filter((each) => each[0] !== each[1]).sort((a, b) => b[2] - a[2]);
    return cell ? [cell[0], cell[1]] : null;
  }
  // To a part of the page; to the errors of one class where a class is given.
  function go(part, label) {
    const target = document.getElementById(part);
    if (label === undefined) return target?.scrollIntoView();
    const [article, name] = [articles[current], data.classes[label]];
    if (data.models[current].blocks) state.set({ find: label }, true);
    const found = () => [...article.querySelectorAll("[data-groups=errors] .group")].find((group) => group.dataset.name === name);
    if (!found()) article.querySelector("[data-groups=errors] > button")?.click();
    return (found() || target)?.scrollIntoView();
  }
  let current = -1;
  function choose(number) {
    current = number;
    document.getElementById("model").value = number;
    articles.forEach((article, other) => {
      article.hidden = other !== number;
      for (const section of article.querySelectorAll("[data-section]")) {
        if (other === number) section.id = section.dataset.section;
        else section.removeAttribute("id");
      }
    });
    fill(number);
    report.charts(articles[number], data.models[number].charts, number);
  }
  report.onClick("cell", (cell, figure, number) => {
    if (cell.y_true === undefined) return;
    pick(cell.y_true, cell.y_pred);
    jump(articles[number].querySelector(".cell-images"));
  });

  report.page("model", (root) => {
    const best = document.querySelector(".figures tbody tr[data-place]");
    state.on(["model"], () => choose(state.whole("model", data.models.length) ?? (best ? Number(best.dataset.place) : 0)));
    state.on(["model", "cell"], () => {
      const cell = chosenCell() || largest(data.models[current]);
      if (cell) showCell(current, ...cell);
    });
    for (const link of root.querySelectorAll("[data-jump]")) {
      link.addEventListener("click", () => go(link.dataset.jump, link.dataset.class));
    }
  });
  document.getElementById("model").addEventListener("change", (event) => state.set({ model: event.target.value, cell: null }));
})(report, reportMaps);
