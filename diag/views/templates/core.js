"use strict";
// What every page of the report uses: images, charts, tables, and the selection, which lives in the URL's fragment.
const report = (() => {
  const data = JSON.parse(document.getElementById("payload").textContent);
  const root = document.documentElement;
  const place = new Map(data.index.map((index, position) => [index, position]));
  const MORE = 60;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined) continue;
      if (key === "class") element.className = value;
      else if (key === "onclick") element.addEventListener("click", value);
      else element.setAttribute(key, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  };
  const known = (value) => typeof value === "number" && Number.isFinite(value);
  const percent = (value, digits) => (known(value)
    ? `${(100 * value).toFixed(digits ?? (value > 0.995 && value < 1 ? 2 : 1))}%` : "–");
  // A probability: 0 and 100 only where it is exactly that, else a bound, as formats.probability writes it.
  const sure = (value, digits = 1) => {
    const text = percent(value, digits);
    const step = 10 ** -digits;
    if (value < 1 && text === percent(1, digits)) return `>${(100 - step).toFixed(digits)}%`;
    return value > 0 && text === percent(0, digits) ? `<${step.toFixed(digits)}%` : text;
  };
  const number = (value, digits = 3) => (known(value)
    ? value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }) : "–");
  const points = (value, digits = 1) => {
    if (!known(value)) return "–";
    const text = Math.abs(100 * value).toFixed(digits);
    return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
  };
  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const tip = (key, label) => {
    const term = Object.hasOwn(data.terms, key) ? data.terms[key] : null;
    return term ? make("abbr", { class: "tip", title: term[1] }, label || term[0]) : make("span", {}, label || key);
  };

  // ---- the selection: what is chosen, kept in the URL so that a link shows the same view again ----
  const state = (() => {
    const parse = () => (location.hash.includes("=") ? new Map(new URLSearchParams(location.hash.slice(1))) : new Map());
    let values = parse();
    const listeners = [];
    const tell = (changed) => {
      for (const { keys, fn } of [...listeners]) if (keys.some((key) => changed.has(key))) fn(get);
    };
    const get = (key) => values.get(key) ?? null;
    function set(changes, push = false) {
      const changed = new Set();
      for (const [key, value] of Object.entries(changes)) {
        const text = value === null || value === undefined ? null : String(value);
        if (get(key) === text) continue;
        changed.add(key);
        if (text === null) values.delete(key);
        else values.set(key, text);
      }
      if (!changed.size) return;
      const address = `#${new URLSearchParams([...values])}`;
      if (push) history.pushState(null, "", address);
      else history.replaceState(null, "", address);
      tell(changed);
    }
    const on = (keys, fn) => { listeners.push({ keys, fn }); fn(get); };
    const reread = () => {
      const next = location.hash === "" || location.hash.includes("=") ? parse() : values;
      const changed = new Set([...values.keys(), ...next.keys()].filter((key) => values.get(key) !== next.get(key)));
      values = next;
      tell(changed);
    };
    window.addEventListener("popstate", reread);
    window.addEventListener("hashchange", reread);
    const whole = (key, below) => {
      const value = get(key);
      return value !== null && /^\d{1,9}$/.test(value) && Number(value) < below ? Number(value) : null;
    };
    return { get, set, on, whole };
  })();

  // ---- images: every one is a part of one sheet ----
  function part(sheet, position, side, attributes) {
    const { columns, width, height, count } = sheet;
    const scale = Math.max(1, Math.round(side / Math.max(width, height)));
    const box = make("span", { role: "img", ...attributes });
    box.style.width = `${width * scale}px`;
    box.style.height = `${height * scale}px`;
    box.style.backgroundSize = `${columns * width * scale}px ${Math.ceil(count / columns) * height * scale}px`;
    box.style.backgroundPosition =
      `${-(position % columns) * width * scale}px ${-Math.floor(position / columns) * height * scale}px`;
    return box;
  }
  function tile(index, side = 56) {
    const position = place.get(index);
    if (position === undefined) return make("span", { class: "faint" }, "not included");
    const label = `image ${index}, true class ${data.classes[data.true[position]]}`;
    return part(data.sheet, position, side, { class: "tile", "aria-label": label });
  }
  function trainingTile(index, side = 56) {
    const position = data.training.index.indexOf(index);
    if (position < 0) return null;
    const { labels } = data.training;
    const label = `training image ${index}${labels ? `, class ${labels[position]}` : ""}`;
    return part(data.training, position, side, { class: "tile training", "aria-label": label });
  }
  const trainingText = (index) => {
    const { index: listed, labels } = data.training;
    return `training #${index}${labels && listed.includes(index) ? `: ${labels[listed.indexOf(index)]}` : ""}`;
  };
  // An image and what models say of it. `showTrue` names the true class too.
  function card(index, models, { showTrue = true, more = null, below = [] } = {}) {
    const position = place.get(index);
    if (position === undefined) return null;
    const name = data.classes[data.true[position]];
    const several = models.length > 1;
    const lines = models.map((number) => {
      const model = data.models[number];
      const right = model.pred[position] === data.true[position];
      const said = `${right ? "✓ " : "✗ "}${showTrue && !several ? `${name} → ` : ""}${data.classes[model.pred[position]]}`;
      return several
        ? [make("small", { class: right ? "right" : "wrong", title: model.name },
          clip(`${said} ${sure(model.conf[position], 0)}`)), make("small", { class: "who" }, clip(model.name))]
        : [make("small", { class: right ? "right" : "wrong" }, clip(said)), make("small", {}, sure(model.conf[position]))];
    });
    return make("button", { class: "card", type: "button", onclick: () => zoom(index) }, tile(index),
      several && showTrue ? make("small", {}, make("b", {}, clip(`true ${name}`))) : null, ...lines, ...below,
      make("small", {}, `#${index}`), more ? make("small", {}, more) : null);
  }
  function zoom(index, partner) {
    const position = place.get(index);
    const body = document.getElementById("zoom-body");
    const name = data.names ? data.names[position] : `image ${index}`;
    const rows = data.models.map((model) => make("tr", {}, make("td", {}, clip(model.name)),
      make("td", { class: model.pred[position] === data.true[position] ? "right" : "wrong" },
        clip(data.classes[model.pred[position]])), make("td", { class: "n" }, sure(model.conf[position]))));
    body.replaceChildren(make("h3", {}, `${name}: true class ${data.classes[data.true[position]]}`), tile(index, 224),
      ...(partner === undefined ? [] : [make("p", {}, trainingText(partner)), trainingTile(partner, 224)]),
      make("table", { class: "figures" }, make("thead", {}, make("tr", {}, make("th", {}, "Model"),
        make("th", {}, "Predicted"), make("th", { class: "n" }, "Confidence"))), make("tbody", {}, ...rows)),
      make("p", { class: "faint" }, `index ${index}`));
    document.getElementById("zoom").showModal();
  }
  // A titled grid of images. `items`: their numbers, the best first; `total`: how many there are in the data.
  function gallery(target, { title, note = null, items, total = items.length, models, more = null, order = "most confident first" }, shown = MORE) {
    const included = items.filter((index) => place.has(index));
    const list = included.slice(0, shown);
    const again = (count) => gallery(target, { title, note, items, total, models, more, order }, count);
    target.replaceChildren(
      make("h3", {}, `${title}: ${total.toLocaleString("en")} image${total === 1 ? "" : "s"}`),
      note ? make("p", { class: "faint" }, note) : "",
      list.length < total ? make("p", { class: "faint" }, `${list.length.toLocaleString("en")} of ${total.toLocaleString("en")} shown${order ? `, ${order}` : ""}`) : "",
      make("div", { class: "cards" }, list.map((index) => card(index, models, { more: more ? more(index) : null })).filter(Boolean)),
      included.length > shown ? make("button", { type: "button", onclick: () => again(shown + 5 * MORE) }, "Show more") : "");
  }
  // Bring the head of what was opened into the window, with as little movement as possible: what was clicked stays in sight.
  function jump(element, room = 320) {
    const { top, height } = element.getBoundingClientRect();
    const missing = top + Math.min(height, room) - window.innerHeight;
    if (top < 100) element.scrollIntoView({ block: "start" });
    else if (missing > 0) window.scrollBy({ top: missing });
  }

  // ---- charts: drawn when they are first seen, drawn again for another theme ----
  const drawn = new Map(); // figure -> {spec, number, view, busy}
  const clicks = new Map();
  const brushes = new Map();
  function chartConfig() {
    const [ink, faint, line] = [color("ink"), color("faint"), color("line")];
    return {
      background: null, font: "system-ui, sans-serif", view: { stroke: null }, title: { color: faint, anchor: "start" },
      axis: { labelColor: ink, titleColor: faint, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 11,
        titleFontWeight: "normal" },
      text: { color: ink }, rule: { color: ink },
      legend: { labelColor: ink, titleColor: faint }, header: { labelColor: ink, titleColor: faint },
    };
  }
  // In a narrow window names beside a chart leave room for the chart.
  const NARROW = 480;
  function shortLabels(part, limit) {
    if (part === null || typeof part !== "object") return;
    for (const [key, value] of Object.entries(part)) {
      if (key === "labelLimit" && value > limit) part[key] = limit;
      else if (key !== "datasets") shortLabels(value, limit);
    }
  }
  // A legend below a chart has as many columns as there is room for.
  const ENTRY = 190;
  function broadLegends(part, columns) {
    if (part === null || typeof part !== "object") return;
    for (const [key, value] of Object.entries(part)) {
      if (key === "legend" && value && value.orient === "bottom" && value.columns) value.columns = columns;
      else if (key !== "datasets") broadLegends(value, columns);
    }
  }
  async function draw(figure, spec, number) {
    const fit = structuredClone(spec);
    if (figure.dataset.square !== undefined) {
      const side = Math.max(220, Math.min(fit.width, figure.clientWidth - (Number(figure.dataset.square) || 110)));
      fit.width = side;
      fit.height = side;
    }
    broadLegends(fit, Math.max(2, Math.floor(figure.clientWidth / ENTRY)));
    if (figure.clientWidth < NARROW) shortLabels(fit, figure.dataset.square === undefined ? Math.floor(0.36 * figure.clientWidth) : 72);
    const { view } = await window.vegaEmbed(figure, fit, {
      ast: true, renderer: "svg", actions: false, defaultStyle: false, mode: "vega-lite", config: chartConfig(),
      tooltip: { disableDefaultStyle: true },
    });
    if (!drawn.has(figure)) return view.finalize(); // taken away in the meantime
    drawn.get(figure).view = view;
    const name = figure.dataset.click || figure.dataset.chart;
    if (clicks.has(name)) {
      view.addEventListener("click", (event, item) => {
        if (item && item.datum) clicks.get(name)(item.datum, figure, number);
      });
    }
    if (brushes.has(name)) view.addSignalListener("brush", (_, ranges) => brushes.get(name)(Object.keys(ranges || {}).length ? ranges : null));
    return undefined;
  }
  function start(figure) {
    const found = drawn.get(figure);
    if (!found || found.busy) return;
    found.busy = true;
    draw(figure, found.spec, found.number).catch((error) => figure.replaceChildren(
      make("p", { class: "message" }, `This chart could not be drawn: ${error.message}`)));
  }
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) start(entry.target);
  }, { rootMargin: "600px" });
  // Inside a closed details a figure has a parent, and is not to be seen all the same.
  const visible = (figure) => (figure.checkVisibility ? figure.checkVisibility() : figure.offsetParent !== null);
  // What nobody has scrolled to yet is drawn when there is time, so that printing finds it.
  function drawRest() {
    const waiting = [...drawn].find(([figure, found]) => !found.busy && visible(figure));
    if (!waiting) return;
    start(waiting[0]);
    setTimeout(drawRest, 60);
  }
  function watch(figure, spec, number) {
    if (!spec || drawn.has(figure)) return;
    drawn.set(figure, { spec, number, view: null, busy: false });
    watcher.observe(figure);
  }
  function charts(scope, specs, number) {
    for (const figure of scope.querySelectorAll("figure[data-chart]")) watch(figure, specs[figure.dataset.chart], number);
  }
  function forget(figure) {
    const found = drawn.get(figure);
    if (!found) return;
    if (found.view) found.view.finalize();
    drawn.delete(figure);
    watcher.unobserve(figure);
  }
  // Draw a page's chart into a figure, with other rows than the ones it came with.
  function chart(figure, name, rows = null) {
    forget(figure);
    let spec = data.charts[name];
    figure.dataset.chart = name;
    figure.replaceChildren();
    if (spec && rows) {
      spec = { ...spec, datasets: Object.fromEntries(Object.keys(spec.datasets || {}).map((key) => [key, rows])) };
    }
    watch(figure, spec, 0);
  }
  function redraw() {
    for (const [figure, found] of drawn) {
      if (!found.busy) continue;
      if (found.view) found.view.finalize();
      found.view = null;
      draw(figure, found.spec, found.number);
    }
    for (const fn of painters) fn();
  }
  const painters = []; // what draws itself on a canvas is told of another theme

  const { table, dress, csvButton, csvRange, clip } = reportTables(make, tip, data.terms); // tables.js
  // A <select> whose value is part of the selection.
  function select(target, { label, key, options }) {
    const box = make("select", { "aria-label": label }, ...options.map(([value, text]) => make("option", { value }, text)));
    box.addEventListener("change", () => state.set({ [key]: box.value }));
    target.append(make("label", { class: "pick" }, label, box));
    state.on([key], (get) => {
      if (options.some(([value]) => String(value) === get(key))) box.value = get(key);
    });
    return box;
  }

  // ---- pages ----
  const pages = new Map(); // key -> fn, run when the page is first shown
  const opened = new Set();
  const page = (key, fn) => pages.set(key, fn);
  const sections = [...document.querySelectorAll("main > .page")];
  function show(key) {
    const wanted = sections.some((section) => section.dataset.page === key) ? key : sections[0].dataset.page;
    for (const section of sections) section.hidden = section.dataset.page !== wanted;
    for (const link of document.querySelectorAll("nav a[data-page]")) {
      if (link.dataset.page === wanted) {
        link.setAttribute("aria-current", "page");
        const nav = link.closest("nav"); // narrow windows show some of the links only
        nav.scrollLeft = link.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2;
      } else link.removeAttribute("aria-current");
    }
    const section = sections.find((each) => each.dataset.page === wanted);
    if (!opened.has(wanted)) {
      opened.add(wanted);
      charts(section, data.charts, 0);
      if (pages.has(wanted)) pages.get(wanted)(section, (data.pages || {})[wanted], api);
      dress(section);
    }
    document.querySelector(".pick.of-model").hidden = section.dataset.model === undefined;
    setTimeout(drawRest, 800);
  }
  function go(key, more = {}) {
    state.set({ ...more, page: key }, true);
    window.scrollTo(0, 0);
  }
  function startAll() {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const setTheme = (theme) => { root.dataset.theme = theme; redraw(); };
    setTheme(dark.matches ? "dark" : "light");
    dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
    document.getElementById("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
    for (const link of document.querySelectorAll("a[data-page]")) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go(link.dataset.page);
      });
    }
    state.on(["page"], (get) => show(get("page")));
  }

  const api = {
    data, make, percent, sure, number, points, color, tip, state, tile, trainingTile, trainingText, card, zoom, gallery, jump,
    chart, charts, table, csvButton, csvRange, clip, dress, select, go,
    has: (index) => place.has(index),
    position: (index) => place.get(index),
    onClick: (name, fn) => clicks.set(name, fn),
    onBrush: (name, fn) => brushes.set(name, fn),
    onTheme: (fn) => painters.push(fn),
  };
  return { page, start: startAll, ...api };
})();
