"use strict";
// SHAP maps: each is a part of its model's sheet, laid over its image.
const reportMaps = ((report) => {
  const { data, make, tile } = report;
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
    const position = report.position(entry.index);
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
  return { mapOf, signed, overlay };
})(report);
