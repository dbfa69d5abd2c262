"use strict";
// The embedding map: points on a canvas, a lasso around them, and the images inside it. The lasso stands in the URL.
((report) => {
  const { data, make, state, tile, zoom, gallery, color, jump } = report;
  const MARGIN = 14;
  const NEAR = 10; // pixels
  const CORNERS = 48;

  // Whether a point lies inside a closed line: how often a ray to the right crosses it.
  function inside(x, y, line) {
    let within = false;
    for (let i = 0, j = line.length - 1; i < line.length; j = i, i += 1) {
      const [xi, yi] = line[i];
      const [xj, yj] = line[j];
      if ((yi > y) !== (yj > y) && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
    }
    return within;
  }
  const written = (line) => {
    const step = Math.max(1, Math.ceil(line.length / CORNERS));
    return line.filter((_, place) => place % step === 0).map(([x, y]) => `${Math.round(x)}.${Math.round(y)}`).join("_");
  };
  const read = (text) => {
    if (!text || !/^-?\d{1,5}\.-?\d{1,5}(_-?\d{1,5}\.-?\d{1,5}){2,99}$/.test(text)) return null;
    return text.split("_").map((corner) => corner.split(".").map(Number));
  };

  report.embeddingMap = (root, section) => {
    const map = section.map;
    const box = root.querySelector(".map-box");
    if (!box) return;
    const canvas = box.querySelector("canvas");
    const hover = box.querySelector(".map-hover");
    const key = root.querySelector(".map-key");
    const images = root.querySelector(".map-images");
    const brush = canvas.getContext("2d");
    const n = map.index.length;
    let drawing = null; // the lasso while it is drawn, in the map's own units
    let size = { width: 1, height: 1, scale: 1, left: 0, top: 0 };

    // ---- what is chosen ----
    const model = () => state.whole("colour", data.models.length) ?? section.best;
    const byClass = () => state.get("colour") === "class";
    const isWrong = (place, number) => map.wrong[number][place] === "1";
    const chosenClass = () => state.whole("mapclass", data.classes.length);
    const answer = () => (["right", "wrong"].includes(state.get("mapanswer")) ? state.get("mapanswer") : null);
    function picked() {
      const line = read(state.get("lasso"));
      const [wanted, said] = [chosenClass(), answer()];
      if (!line && wanted === null && said === null) return null;
      const found = [];
      for (let place = 0; place < n; place += 1) {
        if (wanted !== null && map.true[place] !== wanted) continue;
        if (said !== null && isWrong(place, model()) !== (said === "wrong")) continue;
        if (line && !inside(map.x[place], map.y[place], line)) continue;
        found.push(place);
      }
      return found;
    }

    // ---- drawing ----
    const toScreen = (place) => [size.left + map.x[place] * size.scale, size.top + (map.height - map.y[place]) * size.scale];
    const toMap = (x, y) => [(x - size.left) / size.scale, map.height - (y - size.top) / size.scale];
    function fit() {
      const width = box.clientWidth;
      const height = Math.round(Math.max(240, Math.min(width * 0.72, 560)));
      const ratio = window.devicePixelRatio || 1;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      canvas.style.height = `${height}px`;
      brush.setTransform(ratio, 0, 0, ratio, 0, 0);
      const scale = Math.min((width - 2 * MARGIN) / Math.max(map.width, 1), (height - 2 * MARGIN) / Math.max(map.height, 1));
      size = { width, height, scale, left: (width - map.width * scale) / 2, top: (height - map.height * scale) / 2 };
    }
    // Colours of points, those on top last: [label, colour, whether a point has it].
    function layers() {
      if (!byClass()) {
        const number = model();
        return [["right", color("right"), (place) => !isWrong(place, number)], ["wrong", color("wrong"), (place) => isWrong(place, number)]];
      }
      if (map.palette.length) return data.classes.map((name, number) => [name, map.palette[number] === "#444444" ? color("ink") : map.palette[number], (place) => map.true[place] === number]);
      const wanted = chosenClass();
      const rest = ["other classes", color("faint"), (place) => map.true[place] !== wanted];
      return wanted === null ? [["all classes: choose one to colour it", color("faint"), () => true]]
        : [rest, [data.classes[wanted], color("wrong"), (place) => map.true[place] === wanted]];
    }
    function paint() {
      brush.clearRect(0, 0, size.width, size.height);
      const found = picked();
      const bright = found ? new Set(found) : null;
      const radius = n > 2000 ? 2.2 : n > 300 ? 3 : 4;
      const shown = layers();
      for (const [, shade, has] of shown) {
        brush.fillStyle = shade;
        for (let place = 0; place < n; place += 1) {
          if (!has(place)) continue;
          brush.globalAlpha = bright ? (bright.has(place) ? 0.95 : 0.14) : 0.7;
          const [x, y] = toScreen(place);
          brush.beginPath();
          brush.arc(x, y, radius, 0, 2 * Math.PI);
          brush.fill();
        }
      }
      brush.globalAlpha = 1;
      const slice = state.whole("slice", map.slices.length);
      if (slice !== null) rings(map.slices[slice], radius + 2);
      outline(drawing || read(state.get("lasso")));
      const counts = shown.map(([label, shade, has]) => {
        let count = 0;
        for (let place = 0; place < n; place += 1) if (has(place)) count += 1;
        const dot = make("i");
        dot.style.background = shade;
        return make("span", {}, dot, `${label} (${count.toLocaleString("en")})`);
      });
      key.replaceChildren(...(byClass() ? [] : [make("b", {}, data.models[model()].name)]), ...counts,
        ...(slice === null ? [] : [make("span", {}, make("i", { class: "ring" }), section.slices[slice].slice)]));
    }
    // The points of the slice that is chosen above.
    function rings(members, radius) {
      brush.strokeStyle = color("ink");
      brush.lineWidth = 1.2;
      for (let place = 0; place < n; place += 1) {
        if (members[place] !== "1") continue;
        const [x, y] = toScreen(place);
        brush.beginPath();
        brush.arc(x, y, radius, 0, 2 * Math.PI);
        brush.stroke();
      }
    }
    function outline(line) {
      if (!line || line.length < 2) return;
      brush.beginPath();
      line.forEach(([x, y], place) => brush[place ? "lineTo" : "moveTo"](size.left + x * size.scale, size.top + (map.height - y) * size.scale));
      brush.closePath();
      brush.strokeStyle = color("focus");
      brush.lineWidth = 2;
      brush.stroke();
    }
    function show() {
      paint();
      const found = picked();
      if (!found) return images.replaceChildren();
      const names = [chosenClass() === null ? null : `class ${data.classes[chosenClass()]}`,
        answer() === null ? null : `${answer()} in ${data.models[model()].name}`, read(state.get("lasso")) ? "inside the line" : null];
      const number = model();
      const sure = (place) => data.models[number].conf[report.position(map.index[place])] ?? 0;
      const order = [...found].sort((a, b) => isWrong(b, number) - isWrong(a, number) || sure(b) - sure(a));
      const wrong = data.models.map((each, place) => `${each.name} ${found.filter((point) => isWrong(point, place)).length}`);
      return gallery(images, { title: `Chosen: ${names.filter(Boolean).join(", ")}`, items: order.map((place) => map.index[place]),
        total: found.length, models: [number], order: "errors first", note: found.length ? `Wrong among them: ${wrong.join(", ")}.` : "No point is there." });
    }

    // ---- the pointer ----
    const position = (event) => {
      const frame = canvas.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    function nearest(x, y) {
      let [best, distance] = [null, NEAR * NEAR];
      for (let place = 0; place < n; place += 1) {
        const [px, py] = toScreen(place);
        const d = (px - x) ** 2 + (py - y) ** 2;
        if (d < distance) [best, distance] = [place, d];
      }
      return best;
    }
    function point(event) {
      const [x, y] = position(event);
      const place = nearest(x, y);
      hover.hidden = place === null;
      if (place === null) return;
      const [index, position_] = [map.index[place], report.position(map.index[place])];
      const number = model();
      const said = position_ === undefined ? (isWrong(place, number) ? "wrong" : "right") : `said ${data.classes[data.models[number].pred[position_]]}`;
      hover.replaceChildren(tile(index, 84), make("small", {}, make("b", {}, `true ${data.classes[map.true[place]]}`)),
        make("small", { class: isWrong(place, number) ? "wrong" : "right" }, said), make("small", {}, `#${index}`));
      const [px, py] = toScreen(place);
      hover.style.left = `${Math.min(px + 14, size.width - hover.offsetWidth - 4)}px`;
      hover.style.top = `${Math.max(4, Math.min(py + 14, size.height - hover.offsetHeight - 4))}px`;
    }
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      drawing = [toMap(...position(event))];
      hover.hidden = true;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drawing) return point(event);
      drawing.push(toMap(...position(event)));
      return paint();
    });
    canvas.addEventListener("pointerleave", () => { hover.hidden = true; });
    canvas.addEventListener("pointercancel", () => { drawing = null; paint(); });
    canvas.addEventListener("pointerup", (event) => {
      if (!drawing) return;
      const line = drawing;
      drawing = null;
      const spread = (axis) => Math.max(...line.map((corner) => corner[axis])) - Math.min(...line.map((corner) => corner[axis]));
      if (line.length > 3 && Math.max(spread(0), spread(1)) * size.scale > 8) {
        state.set({ lasso: written(line) });
        jump(images, 200); // the map stays in sight
        return;
      }
      const place = nearest(...position(event));
      if (place !== null && report.has(map.index[place])) zoom(map.index[place]);
      else state.set({ lasso: null });
      paint();
    });

    // ---- without a pointer ----
    const tools = root.querySelector(".map-tools");
    const several = data.models.length > 1;
    report.select(tools, { label: "Colour", key: "colour", options: [
      ...[...data.models.keys()].sort((a, b) => (b === section.best) - (a === section.best))
        .map((number) => [number, several ? `right and wrong: ${data.models[number].name}` : "right and wrong"]), ["class", "true class"]] });
    report.select(tools, { label: "Class", key: "mapclass", options: [["", "all"], ...data.classes.map((name, number) => [number, name])] });
    report.select(tools, { label: "Answers", key: "mapanswer", options: [["", "all"], ["wrong", "wrong"], ["right", "right"]] });
    tools.append(make("button", { type: "button", onclick: () => state.set({ lasso: null, mapclass: "", mapanswer: "" }) }, "Choose none"));

    new ResizeObserver(() => { if (box.clientWidth) { fit(); paint(); } }).observe(box);
    report.onTheme(paint);
    fit();
    state.on(["lasso", "mapclass", "mapanswer", "colour"], show);
    state.on(["slice"], paint);
  };
})(report);
