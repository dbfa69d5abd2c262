"use strict";
// The confusion matrix of many classes: an overview of blocks that is zoomed into, and the list of top confusions.
const reportBlocks = ((report) => {
  const { data, make, percent, state } = report;
  const GREY = "#d5dae0";
  const FONT = "11px system-ui, sans-serif";
  const LEAST = 16;
  const MODES = [["share", "errors, share of the true class"], ["errors", "errors, number of images"], ["all", "all answers, share of the true class"]];
  const whole = (value) => value.toLocaleString("en");

  // Sums of the cells that fall into the groups of a window.
  function sums(model, found, rows, columns) {
    const [n, m] = [rows.length - 1, columns.length - 1];
    const group = (edges) => {
      const place = new Int32Array(found.order.length).fill(-1);
      for (let g = 0; g + 1 < edges.length; g += 1) place.fill(g, edges[g], edges[g + 1]);
      return place;
    };
    const [down, across] = [group(rows), group(columns)];
    const [images, errors, support] = [new Float64Array(n * m), new Float64Array(n * m), new Float64Array(n)];
    for (const [row, column, count] of model.cells) {
      const y = down[found.position[row]];
      if (y < 0) continue;
      support[y] += count;
      const x = across[found.position[column]];
      if (x < 0) continue;
      images[y * m + x] += count;
      if (row !== column) errors[y * m + x] += count;
    }
    return { n, m, images, errors, support };
  }
  const edgesOf = (found, start, stop) => found.edges[`${start}-${stop}`]
    || Array.from({ length: stop - start + 1 }, (_, step) => start + step);
  // A window of few classes is widened, so that their neighbours in the order are seen too.
  function around(found, start, stop) {
    const more = Math.max(0, LEAST - (stop - start));
    const low = Math.max(0, Math.min(start - Math.ceil(more / 2), found.order.length - LEAST));
    return more ? [low, Math.min(found.order.length, low + LEAST)] : [start, stop];
  }
  function windowOf(found) {
    const parts = /^(\d{1,6})-(\d{1,6})-(\d{1,6})-(\d{1,6})$/.exec(state.get("zoom") || "");
    const all = [0, found.order.length, 0, found.order.length];
    if (!parts) return all;
    const chosen = parts.slice(1).map(Number);
    const fits = (start, stop) => start < stop && stop <= found.order.length
      && (stop - start <= found.most || `${start}-${stop}` in found.edges);
    return fits(chosen[0], chosen[1]) && fits(chosen[2], chosen[3]) ? chosen : all;
  }
  function named(found, start, stop) {
    const names = [...found.order.slice(start, Math.min(stop, start + 3))].map((number) => data.classes[number]);
    return names.join(", ") + (stop - start > 3 ? ` and ${stop - start - 3} more` : "");
  }
  // What all class names begin and end with, up to the last word's end.
  const shared = (() => {
    const [first, ...rest] = data.classes;
    let [before, after] = [rest.length ? first.length : 0, rest.length ? first.length : 0];
    const least = Math.min(...data.classes.map((name) => name.length));
    for (const name of rest) {
      while (!name.startsWith(first.slice(0, before))) before -= 1;
      while (after && !name.endsWith(first.slice(-after))) after -= 1;
    }
    before = Math.max(...[" ", "_", "-", "/"].map((mark) => first.slice(0, Math.min(before, least)).lastIndexOf(mark))) + 1;
    const places = [" ", "_", "-", "/"].map((mark) => first.slice(first.length - Math.max(0, Math.min(after, least - before))).indexOf(mark)).filter((place) => place >= 0);
    after = after && places.length ? Math.min(after, least - before) - Math.min(...places) : 0;
    return { before, after, tail: after ? first.slice(-after) : "" };
  })();
  function mixed(palette, share) {
    const at = Math.min(1, Math.max(0, share)) * (palette.length - 1);
    const low = Math.min(palette.length - 2, Math.floor(at));
    const channel = (color, k) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16);
    const mix = [0, 1, 2].map((k) => Math.round(channel(palette[low], k) * (1 - at + low) + channel(palette[low + 1], k) * (at - low)));
    return [`rgb(${mix.join(",")})`, 0.3 * mix[0] + 0.59 * mix[1] + 0.11 * mix[2] < 140];
  }

  function view(target, number, onCell) {
    const model = data.models[number];
    const found = model.blocks;
    found.position = new Int32Array(found.order.length);
    found.order.forEach((label, place) => { found.position[label] = place; });
    const canvas = make("canvas", { tabindex: 0, role: "application", "aria-label": "Confusion matrix in blocks: arrow keys move, Enter looks inside, Backspace goes back" });
    const [readout, legend] = [make("p", { class: "faint readout", "aria-live": "polite" }), make("div", { class: "bar" })];
    const tooltip = make("div", { class: "blocks-tip", hidden: "" });
    const crumbs = make("div", { class: "crumbs" });
    const mode = make("select", { "aria-label": "Colour" }, ...MODES.map(([value, text]) => make("option", { value }, text)));
    const frame = make("div", { class: "blocks-frame" }, canvas, tooltip);
    let [picture, geometry, cursor, hovered, marked] = [null, null, null, null, null];

    // ---- drawing ----
    function compute() {
      const [r0, r1, c0, c1] = windowOf(found);
      const [rows, columns] = [edgesOf(found, r0, r1), edgesOf(found, c0, c1)];
      picture = { rows, columns, window: [r0, r1, c0, c1], ...sums(model, found, rows, columns) };
      picture.single = rows.length - 1 === r1 - r0 && columns.length - 1 === c1 - c0;
      cursor = null;
    }
    const value = (y, x) => {
      const at = y * picture.m + x;
      if (mode.value === "errors") return picture.errors[at];
      const part = mode.value === "all" ? picture.images[at] : picture.errors[at];
      return picture.support[y] ? part / picture.support[y] : 0;
    };
    const rightOnly = (y, x) => mode.value !== "all" && picture.images[y * picture.m + x] > 0 && !picture.errors[y * picture.m + x];
    function largest() {
      let top = 0;
      for (let y = 0; y < picture.n; y += 1) for (let x = 0; x < picture.m; x += 1) top = Math.max(top, value(y, x));
      return top;
    }
    // A name that is too long loses what all names share, then its middle: what tells it from others stays.
    function fitted(context, text, width) {
      const fits = (said) => context.measureText(said).width <= width;
      if (fits(text)) return text;
      const own = `${shared.before ? "…" : ""}${text.slice(shared.before, shared.after && text.endsWith(shared.tail) ? -shared.after : undefined)}`;
      if (fits(own)) return own;
      for (let kept = own.length - 1; kept > 1; kept -= 1) {
        const short = `${own.slice(0, Math.ceil(kept / 2))}…${own.slice(own.length - Math.floor(kept / 2))}`;
        if (fits(short)) return short;
      }
      return "…";
    }
    function paint() {
      const room = frame.clientWidth;
      if (!room || !picture) return;
      const [margin, head] = [room < 480 ? 84 : 116, 7];
      const side = Math.min(room - margin - 6, 560);
      const cell = Math.min(side / picture.m, side / picture.n, 64);
      const [width, height] = [cell * picture.m, cell * picture.n];
      geometry = { margin, head, cell, width, height };
      const ratio = window.devicePixelRatio || 1;
      const measure = canvas.getContext("2d");
      measure.font = FONT;
      const foot = Math.min(margin, 14 + Math.max(...Array.from({ length: picture.m }, (_, x) => measure.measureText(labelOf(picture.columns, x)).width)));
      const [full, tall] = [margin + width + 6, head + height + foot];
      canvas.width = full * ratio;
      canvas.height = tall * ratio;
      canvas.style.width = `${full}px`;
      canvas.style.height = `${tall}px`;
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      context.translate(0, head);
      const palette = mode.value === "all" ? found.share : found.errors;
      const top = mode.value === "all" ? 1 : largest();
      context.fillStyle = palette[0];
      context.fillRect(margin, 0, width, height);
      const gap = cell > 14 ? 1 : 0;
      context.font = FONT;
      for (let y = 0; y < picture.n; y += 1) {
        for (let x = 0; x < picture.m; x += 1) {
          const amount = value(y, x);
          if (!amount && !rightOnly(y, x)) continue;
          const [color, dark] = amount ? mixed(palette, 0.12 + 0.88 * Math.sqrt(amount / (top || 1))) : [GREY, false];
          context.fillStyle = color;
          context.fillRect(margin + x * cell, y * cell, cell - gap, cell - gap);
          if (cell < 27) continue;
          context.fillStyle = dark ? "#ffffff" : "#1c2026";
          context.textAlign = "center";
          context.textBaseline = "middle";
          const count = mode.value === "all" || !amount ? picture.images[y * picture.m + x] : picture.errors[y * picture.m + x];
          const text = whole(count);
          if (context.measureText(text).width < cell - 4) context.fillText(text, margin + (x + 0.5) * cell, (y + 0.5) * cell);
        }
      }
      outlines(context);
      labels(context);
      for (const [place, color] of [[hovered, "--ink"], [cursor, "--focus"]]) if (place) frameCell(context, place, color);
      bar(palette, top);
    }
    const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    function frameCell(context, [y, x], color) {
      const { margin, cell } = geometry;
      context.strokeStyle = css(color);
      context.lineWidth = 2;
      context.strokeRect(margin + x * cell, y * cell, cell, cell);
    }
    // Classes that are confused with each other, where each has a row of its own.
    function outlines(context) {
      if (!picture.single) return;
      const { margin, cell } = geometry;
      const [r0, r1, c0, c1] = picture.window;
      const ends = [...found.starts.slice(1), found.order.length];
      context.strokeStyle = "#6a737f";
      context.lineWidth = 1;
      found.starts.forEach((start, block) => {
        const stop = ends[block];
        if (stop - start < 2 || Math.max(start, r0, c0) >= Math.min(stop, r1, c1)) return;
        const [y0, y1, x0, x1] = [Math.max(start, r0), Math.min(stop, r1), Math.max(start, c0), Math.min(stop, c1)];
        context.strokeRect(margin + (x0 - c0) * cell + 0.5, (y0 - r0) * cell + 0.5, (x1 - x0) * cell - 1, (y1 - y0) * cell - 1);
      });
    }
    const labelOf = (edges, group) => data.classes[found.order[edges[group]]] + (edges[group + 1] - edges[group] > 1 ? " …" : "");
    function labels(context) {
      const { margin, cell, height } = geometry;
      const step = Math.max(1, Math.ceil(13 / cell));
      const write = (edges, group, place, across) => {
        const own = found.order[edges[group]];
        context.fillStyle = css(marked !== null && edges[group + 1] - edges[group] === 1 && own === marked ? "--wrong" : "--ink");
        context.save();
        context.textBaseline = "middle";
        context.textAlign = "right";
        if (across) {
          context.translate(margin + (place + 0.5) * cell, height + 6);
          context.rotate(-Math.PI / 2);
        } else context.translate(margin - 6, (place + 0.5) * cell);
        context.fillText(fitted(context, labelOf(edges, group), margin - 10), 0, 0);
        context.restore();
      };
      context.font = FONT;
      for (let y = 0; y < picture.n; y += step) write(picture.rows, y, y, false);
      for (let x = 0; x < picture.m; x += step) write(picture.columns, x, x, true);
    }
    function bar(palette, top) {
      const strip = make("i");
      const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => mixed(palette, 0.12 + 0.88 * Math.sqrt(share))[0]);
      strip.style.background = `linear-gradient(90deg,${stops.join(",")})`;
      legend.replaceChildren("0", strip, mode.value === "errors" ? `${whole(top)} images` : percent(top),
        mode.value === "all" ? "" : make("span", {}, "· grey: right answers only"));
    }
    function breadcrumbs() {
      const [r0, r1, c0, c1] = picture.window;
      const all = r1 - r0 === found.order.length && c1 - c0 === found.order.length;
      crumbs.replaceChildren(all ? make("b", {}, `All ${whole(found.order.length)} classes`)
        : make("button", { class: "link", type: "button", onclick: () => state.set({ zoom: null }, true) }, `All ${whole(found.order.length)} classes`),
      ...(all ? [] : [make("span", {}, " › "), make("b", {}, r0 === c0 && r1 === c1 ? named(found, r0, r1) : `${named(found, r0, r1)} taken for ${named(found, c0, c1)}`)]));
    }

    // ---- what is under the pointer ----
    function says([y, x]) {
      const at = y * picture.m + x;
      const [r, c] = [[picture.rows[y], picture.rows[y + 1]], [picture.columns[x], picture.columns[x + 1]]];
      const one = r[1] - r[0] === 1 && c[1] - c[0] === 1;
      const share = picture.support[y] ? ` (${percent((one ? picture.images[at] : picture.errors[at]) / picture.support[y])} of ${whole(picture.support[y])})` : "";
      if (one) {
        const same = r[0] === c[0];
        return `${named(found, ...r)} ${same ? "rightly recognised" : `taken for ${named(found, ...c)}`}: ${whole(picture.images[at])} images${share}`;
      }
      return `${named(found, ...r)} taken for ${r[0] === c[0] ? "each other" : named(found, ...c)}: ${whole(picture.errors[at])} errors${share}`;
    }
    function placeAt(event) {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left - geometry.margin) / geometry.cell, (event.clientY - box.top - geometry.head) / geometry.cell];
      return x >= 0 && y >= 0 && x < picture.m && y < picture.n ? [Math.floor(y), Math.floor(x)] : null;
    }
    function open([y, x]) {
      const [r0, r1, c0, c1] = [picture.rows[y], picture.rows[y + 1], picture.columns[x], picture.columns[x + 1]];
      if (r1 - r0 === 1 && c1 - c0 === 1) onCell(found.order[r0], found.order[c0]);
      else state.set({ zoom: [...around(found, r0, r1), ...around(found, c0, c1)].join("-") }, true);
    }
    canvas.addEventListener("mousemove", (event) => {
      const place = placeAt(event);
      if (String(place) === String(hovered)) return;
      hovered = place;
      paint();
      tooltip.hidden = !place;
      canvas.style.cursor = place ? "pointer" : "default";
      if (!place) return;
      tooltip.textContent = says(place);
      const left = geometry.margin + (place[1] + 1) * geometry.cell + 8;
      const space = frame.clientWidth - 250;
      tooltip.style.left = `${Math.max(0, Math.min(left, space))}px`;
      tooltip.style.top = `${geometry.head + (place[0] + 1) * geometry.cell + 8}px`;
    });
    canvas.addEventListener("mouseleave", () => { hovered = null; tooltip.hidden = true; paint(); });
    canvas.addEventListener("click", (event) => {
      const place = placeAt(event);
      if (!place) return;
      tooltip.hidden = true;
      open(place);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (step) {
        const [y, x] = cursor || [0, step[1] < 0 ? 0 : -step[1]];
        cursor = [Math.min(picture.n - 1, Math.max(0, y + step[0])), Math.min(picture.m - 1, Math.max(0, x + step[1]))];
        readout.textContent = says(cursor);
        paint();
      } else if (event.key === "Enter" && cursor) open(cursor);
      else if ((event.key === "Backspace" || event.key === "Escape") && state.get("zoom")) state.set({ zoom: null }, true);
      else return;
      event.preventDefault();
    });
    mode.addEventListener("change", paint);

    // ---- the list, and finding a class ----
    const list = make("div", { class: "top-confusions" });
    const finder = make("input", { type: "search", list: classNames(), placeholder: "Find a class", "aria-label": "Find a class" });
    const missing = make("span", { class: "wrong", role: "status" });
    function listed() {
      const rows = marked === null ? found.top : confusions(marked);
      const open_ = (row) => onCell(row.y_true, row.y_pred);
      const title = marked === null ? `Top confusions${found.n_top > rows.length ? `, ${rows.length} of ${whole(found.n_top)}` : ""}`
        : `Confusions of ${data.classes[marked]}`;
      const table = make("div");
      list.replaceChildren(make("h3", {}, title), table);
      if (!rows.length) return table.replaceChildren(make("p", { class: "faint" }, "None."));
      return report.table(table, {
        name: `${model.name} confusions`, rows, onRow: open_, all: () => confusions(marked),
        columns: [
          { key: "y_true", label: "True", cell: (row) => data.classes[row.y_true], text: (row) => data.classes[row.y_true] },
          { key: "y_pred", label: "Taken for", cell: (row) => data.classes[row.y_pred], text: (row) => data.classes[row.y_pred] },
          { key: "count", label: "Images", numeric: true, format: whole },
          { key: "share", label: "Of the class", tip: "confusion_share", numeric: true, format: (share) => percent(share, 1) },
          { key: "reverse", label: "Reverse", tip: "confusion_reverse", numeric: true, format: whole },
        ],
      });
    }
    // All confusions, or those that a class takes part in.
    function confusions(label) {
      const [support, count] = [new Map(), new Map()];
      for (const [row, column, images] of model.cells) {
        support.set(row, (support.get(row) || 0) + images);
        count.set(`${row}-${column}`, images);
      }
      return model.cells.filter(([row, column]) => row !== column && (label === null || row === label || column === label))
        .sort((a, b) => b[2] - a[2]).map(([row, column, images]) => ({ y_true: row, y_pred: column, count: images,
          share: images / support.get(row), reverse: count.get(`${column}-${row}`) || 0 }));
    }
    // The class of that name, else the first one that contains what was typed.
    function search() {
      const wanted = finder.value.trim().toLowerCase();
      const lower = data.classes.map((name) => name.toLowerCase());
      const exact = data.classes.indexOf(finder.value.trim());
      const first = [exact, lower.indexOf(wanted), lower.findIndex((name) => name.includes(wanted))].find((place) => place >= 0);
      const label = wanted === "" ? null : first;
      missing.textContent = label === undefined ? `no class contains '${finder.value.trim()}'` : "";
      if (label === undefined) return;
      finder.value = label === null ? "" : data.classes[label];
      if (label === marked) return;
      const changes = { find: label };
      if (label !== null && found.order.length > found.most) {
        const place = found.position[label];
        const edges = edgesOf(found, 0, found.order.length);
        const group = edges.findIndex((edge, at) => edge <= place && place < edges[at + 1]);
        const near = around(found, edges[group], edges[group + 1]);
        changes.zoom = [...near, ...near].join("-");
      }
      state.set(changes, true);
    }
    finder.addEventListener("change", search);
    finder.addEventListener("keydown", (event) => { if (event.key === "Enter") search(); });

    target.replaceChildren(
      make("div", { class: "tools" }, finder, missing, make("label", {}, "Colour", mode)),
      make("div", { class: "blocks-pair" },
        make("div", { class: "blocks-view" }, crumbs, frame, legend, readout), list));
    state.on(["zoom"], () => { compute(); breadcrumbs(); paint(); });
    state.on(["find"], () => {
      marked = state.whole("find", data.classes.length);
      finder.value = marked === null ? "" : data.classes[marked];
      missing.textContent = "";
      listed();
      paint();
    });
    new ResizeObserver(paint).observe(frame);
    report.onTheme(paint);
  }
  function classNames() {
    if (!document.getElementById("class-names")) {
      document.body.append(make("datalist", { id: "class-names" }, ...data.classes.map((name) => make("option", { value: name }))));
    }
    return "class-names";
  }
  return { view, classNames };
})(report);
