"use strict";
// Training: which metric the curves show.
((report) => {
  report.page("training", (root, section, api) => {
    const figure = root.querySelector("#training-curves");
    if (!figure || !section || !section.metrics) return;
    const known = section.metrics.map(([name]) => name);
    if (known.length > 1) api.select(root.querySelector(".choose-metric"), { label: "Metric", key: "curve", options: section.metrics });
    let shown = known[0];
    api.state.on(["curve"], (get) => {
      const wanted = known.includes(get("curve")) ? get("curve") : known[0];
      if (wanted === shown) return;
      shown = wanted;
      api.chart(figure, `training.curves-${wanted}`);
    });
  });
})(report);
