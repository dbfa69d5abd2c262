"use strict";
(() => {
  const data = JSON.parse(document.getElementById("payload").textContent);
  const root = document.documentElement;
  const place = new Map(data.index.map((index, position) => [index, position]));
  const articles = [...document.querySelectorAll("article.model")];
  const drawn = new Map(); // figure -> {spec, click, view}
  const MORE = 60;
  const GROUPS = 12;
  let current = 0;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "class") element.className = value;
      else if (key === "onclick") element.addEventListener("click", value);
      else element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const percent = (value) => `${(100 * value).toFixed(value > 0.995 && value < 1 ? 2 : 1)}%`;

  // ---- images: every one is a part of one sheet ----
  const scaleFor = (side) => Math.max(1, Math.round(side / Math.max(data.sheet.width, data.sheet.height)));
  function tile(index, side = 56) {
    const position = place.get(index);
    if (position === undefined) return make("span", { class: "faint" }, "not included");
    const { columns, width, height, count } = data.sheet;
    const scale = scaleFor(side);
    const box = make("span", { class: "tile", role: "img" });
    const rows = Math.ceil(count / columns);
    box.style.width = `${width * scale}px`;
    box.style.height = `${height * scale}px`;
    box.style.backgroundSize = `${columns * width * scale}px ${rows * height * scale}px`;
    box.style.backgroundPosition =
      `${-(position % columns) * width * scale}px ${-Math.floor(position / columns) * height * scale}px`;
    box.setAttribute("aria-label", `image ${index}, true class ${data.classes[data.true[position]]}`);
    return box;
  }
  function card(index, model, showTrue) {
    const position = place.get(index);
    if (position === undefined) return null;
    const predicted = model.pred[position];
    const right = predicted === data.true[position];
    const said = `${right ? "✓ " : "✗ "}${showTrue ? `${data.classes[data.true[position]]} → ` : ""}${data.classes[predicted]}`;
    return make("button", { class: "card", type: "button", onclick: () => zoom(index) },
      tile(index), make("small", { class: right ? "right" : "wrong" }, said),
      make("small", {}, percent(model.conf[position])), make("small", {}, `#${index}`));
  }
  function trainingTile(index, side = 56) {
    const position = data.training.index.indexOf(index);
    if (position < 0) return null;
    const { columns, width, height, count, labels } = data.training;
    const scale = Math.max(1, Math.round(side / Math.max(width, height)));
    const box = make("span", { class: "tile training", role: "img" });
    box.style.width = `${width * scale}px`;
    box.style.height = `${height * scale}px`;
    box.style.backgroundSize = `${columns * width * scale}px ${Math.ceil(count / columns) * height * scale}px`;
    box.style.backgroundPosition =
      `${-(position % columns) * width * scale}px ${-Math.floor(position / columns) * height * scale}px`;
    box.setAttribute("aria-label", `training image ${index}${labels ? `, class ${labels[position]}` : ""}`);
    return box;
  }
  const trainingText = (index) => {
    const { index: listed, labels } = data.training;
    return `training #${index}${labels && listed.includes(index) ? `: ${labels[listed.indexOf(index)]}` : ""}`;
  };
  function zoom(index, partner) {
    const position = place.get(index);
    const body = document.getElementById("zoom-body");
    const name = data.names ? data.names[position] : `image ${index}`;
    const rows = data.models.map((model) => make("tr", {}, make("td", {}, model.name),
      make("td", { class: model.pred[position] === data.true[position] ? "right" : "wrong" },
        data.classes[model.pred[position]]), make("td", { class: "n" }, percent(model.conf[position]))));
    body.replaceChildren(make("h3", {}, `${name}: true class ${data.classes[data.true[position]]}`), tile(index, 224),
      ...(partner === undefined ? [] : [make("p", {}, trainingText(partner)), trainingTile(partner, 224)]),
      make("table", { class: "figures" }, make("thead", {}, make("tr", {}, make("th", {}, "Model"),
        make("th", {}, "Predicted"), make("th", { class: "n" }, "Confidence"))), make("tbody", {}, ...rows)),
      make("p", { class: "faint" }, `index ${index}`));
    document.getElementById("zoom").showModal();
  }
  function groups(target, found, model, limit = GROUPS) {
    target.replaceChildren(...found.slice(0, limit).map((group) => make("div", { class: "group" }, make("b", {}, group.name),
      make("div", { class: "cards" }, ...group.items.map((index) => (model
        ? card(index, model, false)
        : make("button", { class: "card", type: "button", onclick: () => zoom(index) }, tile(index)))).filter(Boolean)))));
    if (!found.length) target.replaceChildren(make("p", { class: "faint" }, "None."));
    if (found.length > limit) {
      target.append(make("button", { type: "button", onclick: () => groups(target, found, model, found.length) },
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
    gallery(target, title, found.map(([index]) => index), total, model);
    const article = articles[number];
    article.querySelector(".cell-true").value = row;
    article.querySelector(".cell-pred").value = column;
  }
  function gallery(target, title, found, total, model, shown = MORE) {
    const list = found.slice(0, shown);
    target.replaceChildren(make("h3", {}, `${title}: ${total} image${total === 1 ? "" : "s"}`),
      ...(list.length < total ? [make("p", { class: "faint" }, `${list.length} of ${total} shown, most confident first`)] : []),
      make("div", { class: "cards" }, ...list.map((index) => card(index, model, true)).filter(Boolean)),
      ...(found.length > shown ? [make("button", { type: "button",
        onclick: () => gallery(target, title, found, total, model, shown + 5 * MORE) }, "Show more")] : []));
  }
  function showPair({ pair, a, b, total }) {
    const [one, two] = [data.models[Number(a)], data.models[Number(b)]];
    const shown = pair === "only_a" ? two : one;
    const right = (model, position) => model.pred[position] === data.true[position];
    const [first, second] = { only_a: [true, false], only_b: [false, true], both_wrong: [false, false] }[pair];
    const found = data.index.filter((_, position) => right(one, position) === first && right(two, position) === second)
      .sort((x, y) => shown.conf[place.get(y)] - shown.conf[place.get(x)]);
    const title = { only_a: `Only ${one.name} is right`, only_b: `Only ${two.name} is right`,
      both_wrong: `${one.name} and ${two.name} are wrong` }[pair];
    const target = document.getElementById("pair-images");
    gallery(target, `${title} (below: ${shown.name})`, found, Number(total), shown);
    jump(target);
  }
  function arrows(event, number) {
    const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [];
    if (down === undefined) return;
    event.preventDefault();
    const inside = (selector, step) => Math.min(data.classes.length - 1,
      Math.max(0, Number(articles[number].querySelector(selector).value) + step));
    showCell(number, inside(".cell-true", down), inside(".cell-pred", across));
  }
  const jump = (element) => element.scrollIntoView({ block: "nearest" });

  // ---- charts: drawn when they are first seen, drawn again for another theme ----
  function chartConfig() {
    const style = getComputedStyle(root);
    const ink = style.getPropertyValue("--ink").trim();
    const faint = style.getPropertyValue("--faint").trim();
    const line = style.getPropertyValue("--line").trim();
    return {
      background: null, font: "system-ui, sans-serif", view: { stroke: null }, title: { color: faint, anchor: "start" },
      axis: { labelColor: ink, titleColor: faint, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 11,
        titleFontWeight: "normal" },
      legend: { labelColor: ink, titleColor: faint }, header: { labelColor: ink, titleColor: faint },
    };
  }
  async function draw(figure, spec, number) {
    const fit = structuredClone(spec);
    if (figure.dataset.click) {
      const side = Math.max(220, Math.min(fit.width, figure.clientWidth - 110));
      fit.width = side;
      fit.height = side;
    }
    const { view } = await window.vegaEmbed(figure, fit, {
      ast: true, renderer: "svg", actions: false, defaultStyle: false, mode: "vega-lite", config: chartConfig(),
      tooltip: { disableDefaultStyle: true },
    });
    drawn.get(figure).view = view;
    if (figure.dataset.click) {
      view.addEventListener("click", (event, item) => {
        const cell = item && item.datum;
        if (cell && cell.y_true !== undefined) {
          showCell(number, cell.y_true, cell.y_pred);
          jump(articles[number].querySelector(".cell-images"));
        }
      });
    }
  }
  function start(figure) {
    const state = drawn.get(figure);
    if (!state || state.busy) return;
    state.busy = true;
    draw(figure, state.spec, state.number).catch((error) => figure.replaceChildren(
      make("p", { class: "message" }, `This chart could not be drawn: ${error.message}`)));
  }
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) start(entry.target);
  }, { rootMargin: "600px" });
  // Inside a closed details a figure has a parent, and is not to be seen all the same.
  const visible = (figure) => (figure.checkVisibility ? figure.checkVisibility() : figure.offsetParent !== null);
  // What nobody has scrolled to yet is drawn when there is time, so that printing finds it.
  function drawRest() {
    const waiting = [...drawn].find(([figure, state]) => !state.busy && visible(figure));
    if (!waiting) return;
    start(waiting[0]);
    setTimeout(drawRest, 60);
  }
  function charts(scope, specs, number) {
    for (const figure of scope.querySelectorAll("figure[data-chart]")) {
      const spec = specs[figure.dataset.chart];
      if (!spec || drawn.has(figure)) continue;
      drawn.set(figure, { spec, number, view: null, busy: false });
      watcher.observe(figure);
    }
  }
  function redraw() {
    for (const [figure, state] of drawn) {
      if (!state.busy) continue;
      if (state.view) state.view.finalize();
      state.view = null;
      draw(figure, state.spec, state.number);
    }
  }

  // ---- a model's page ----
  // A map is a part of its model's sheet; column 0 is the contrast, the classes follow.
  function mapOf(model, row, column, side) {
    const found = model.explain;
    const scale = Math.max(1, Math.round(side / Math.max(found.width, found.height)));
    const [width, height] = [found.width * scale, found.height * scale];
    const fit = (box, columns, rows, x, y) => {
      box.style.width = `${width}px`;
      box.style.height = `${height}px`;
      box.style.backgroundSize = `${columns * width}px ${rows * height}px`;
      box.style.backgroundPosition = `${-x * width}px ${-y * height}px`;
    };
    const box = make("span", { class: "map", role: "img" });
    box.style.backgroundImage = `url(${found.sheet})`;
    fit(box, found.columns.length + 1, found.rows.length, column, row);
    const entry = found.rows[row];
    const label = column ? `class ${data.classes[found.columns[column - 1]]}` : entry.why;
    box.setAttribute("aria-label", `map of image ${entry.index} for ${label}`);
    const position = place.get(entry.index);
    if (position === undefined) return make("span", { class: "layers" }, box);
    const { columns, count } = data.sheet;
    const under = make("span", { class: "tile", "aria-hidden": "true" });
    fit(under, columns, Math.ceil(count / columns), position % columns, Math.floor(position / columns));
    return make("span", { class: "layers" }, under, box);
  }
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
  function overlay(target) {
    const slider = make("input", { type: "range", min: 0, max: 90, value: 0, "aria-label": "How much of the image shows under its maps" });
    slider.addEventListener("input", () => target.style.setProperty("--under", slider.value / 100));
    return make("label", {}, "Image under the maps", slider);
  }
  function maps(target, model) {
    const found = model.explain;
    if (!found) return target.replaceChildren(make("p", { class: "message" }, model.explain_message));
    const unchecked = model.trust_message ? [make("p", { class: "faint" }, model.trust_message)] : [];
    const head = make("tr", {}, make("th", { class: "row" }, ""), make("th", {}, "image"),
      make("th", { scope: "col", class: "why" }, "why, rather than"),
      ...found.columns.map((number) => make("th", { scope: "col" }, data.classes[number])));
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
  function trust(target, model) {
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
      make("div", { class: "cards" }, ...way.items.map((index) => card(index, model, true)).filter(Boolean)))));
  }
  function sideBySide() {
    const section = document.getElementById("side");
    const shown = data.models.filter((model) => model.explain && model.explain.rows.length);
    if (!section || shown.length < 2) return;
    section.hidden = false;
    document.querySelector('nav a[href="#side"]').hidden = false;
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
    const head = make("tr", {}, make("th", {}, "true ↓ predicted →"), ...data.classes.map((name) => make("th", { scope: "col" }, name)));
    const body = model.examples.map((row, y) => make("tr", {}, make("th", { scope: "row" }, data.classes[y]),
      ...row.map((index, x) => make("td", { class: x === y ? "diagonal" : "" }, index === null ? "" : tile(index, 40)))));
    target.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  }
  // ---- findings: the images of one are drawn when it is opened ----
  function findings() {
    for (const details of document.querySelectorAll("details.finding")) {
      details.addEventListener("toggle", () => {
        const target = details.querySelector(".samples");
        if (!target || target.childElementCount) return;
        const [model, number] = details.dataset.finding.split("-").slice(1).map(Number);
        const found = data.models[model].findings[number];
        target.replaceChildren(...found.samples.map((index, row) =>
          sample(index, data.models[model], found.train[row])).filter(Boolean));
      });
    }
  }
  function sample(index, model, partner) {
    const shown = card(index, model, true);
    const other = shown && partner !== undefined ? trainingTile(partner) : null;
    if (!other) return shown;
    const both = make("button", { class: "card both", type: "button", onclick: () => zoom(index, partner) },
      make("span", { class: "two" }, shown.firstChild, other), ...shown.childNodes);
    both.append(make("small", {}, trainingText(partner)));
    return both;
  }
  const filled = new Set();
  function fill(number) {
    if (filled.has(number)) return;
    filled.add(number);
    const [article, model] = [articles[number], data.models[number]];
    for (const target of article.querySelectorAll("[data-groups]")) groups(target, model.grids[target.dataset.groups], model);
    for (const select of article.querySelectorAll(".cell-true, .cell-pred")) {
      select.replaceChildren(...data.classes.map((name, value) => make("option", { value }, name)));
      select.addEventListener("change", () => showCell(number, Number(article.querySelector(".cell-true").value),
        Number(article.querySelector(".cell-pred").value)));
    }
    for (const button of article.querySelectorAll("[data-cell]")) {
      button.addEventListener("click", () => {
        showCell(number, ...button.dataset.cell.split("-").map(Number));
        jump(article.querySelector(".cell-images"));
      });
    }
    for (const figure of article.querySelectorAll("figure[data-click]")) {
      figure.addEventListener("keydown", (event) => arrows(event, number));
    }
    const largest = model.cells.filter((cell) => cell[0] !== cell[1]).sort((a, b) => b[2] - a[2])[0];
    if (largest) showCell(number, largest[0], largest[1]);
    examples(article.querySelector(".examples"), model);
    maps(article.querySelector(".maps"), model);
    trust(article.querySelector(".trust"), model);
    filters(article.querySelector(".filters"), model);
  }
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
    charts(articles[number], data.models[number].charts, number);
    setTimeout(drawRest, 800);
  }

  // ---- tables that sort ----
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.tabIndex = 0;
      const sort = () => {
        const down = header.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.replaceAll(",", "");
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [one, two] = [value(a), value(b)];
          const order = Number(one) - Number(two);
          return Number.isNaN(order) ? one.localeCompare(two) : order;
        });
        table.tBodies[0].append(...(down ? rows.reverse() : rows));
      };
      header.addEventListener("click", sort);
      header.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    });
  }

  // ---- start ----
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (theme) => { root.dataset.theme = theme; redraw(); };
  setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
  document.getElementById("model").addEventListener("change", (event) => choose(Number(event.target.value)));
  for (const button of document.querySelectorAll("button.link[data-model]")) {
    button.addEventListener("click", () => { choose(Number(button.dataset.model)); articles[current].scrollIntoView(); });
  }
  for (const button of document.querySelectorAll("[data-pair]")) button.addEventListener("click", () => showPair(button.dataset));
  groups(document.querySelector("[data-groups=samples]"), data.samples, null);
  charts(document.body, data.charts, 0);
  findings();
  sideBySide();
  const first = document.querySelector(".figures tbody tr[data-place]");
  choose(first ? Number(first.dataset.place) : 0);
})();
