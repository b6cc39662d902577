/* The live power chart: grows by Plotly.extendTraces from the plant's lines, each cell once; names its lines at their ends.
   Trace 2i is line i where it is whole, trace 2i+1 where meters are missing: that sum must never look like the total. */
window.monitor = window.monitor || {};
window.monitor.chart = (() => {
  const LABEL_HEIGHT_PX = 16;
  const TICK_PX = 75; // a time needs this much of the axis
  const { dom, formats, plant, series } = monitor;

  const drawn = { graph: null, edition: 0, restarts: 0, offsetMs: 0, cells: [], count: 0 };

  /* Draw what has been folded since the last time; returns whether anything was. */
  function paint() {
    const graph = document.querySelector("#overview-chart .js-plotly-plot");
    const isFolded = plant.lines.length && plant.lines[0].series.nextMs !== null;
    const isReady = graph && graph.offsetParent && graph.data && graph.data.length === 2 * plant.lines.length;
    if (!isFolded || !isReady) return false;
    return needsSeed(graph) ? seed(graph) : extend(graph);
  }

  function needsSeed(graph) {
    const restarts = plant.lines.reduce((sum, line) => sum + line.series.restarts, 0);
    const offsetMs = formats.zoneOffsetMs(plant.watermarkMs);
    return graph !== drawn.graph || plant.edition !== drawn.edition || restarts !== drawn.restarts || offsetMs !== drawn.offsetMs;
  }

  /* A new graph, theme, clock change or plant: all cells at once. */
  function seed(graph) {
    Object.assign(drawn, {
      graph,
      edition: plant.edition,
      restarts: plant.lines.reduce((sum, line) => sum + line.series.restarts, 0),
      offsetMs: formats.zoneOffsetMs(plant.watermarkMs),
      cells: plant.lines.map((line) => line.series.nextMs),
    });
    const look = JSON.parse(graph.closest("[data-looks]").dataset.looks)[monitor.theme.current()];
    plant.lines.forEach((line, index) => {
      const { times, whole, partial } = wallClock(line.series, 0);
      Object.assign(graph.data[2 * index], { x: times, y: whole });
      Object.assign(graph.data[2 * index + 1], { x: [...times], y: partial });
      for (const trace of [2 * index, 2 * index + 1]) graph.data[trace].line.color = look.lines[trace];
    });
    graph.layout.template = look.template;
    prepareLayout(graph);
    Plotly.redraw(graph).then(() => paintLabels(graph));
    drawn.count += 1;
    return true;
  }

  /* The new cells of every line in one draw. Each series says by `nextMs` how far it has been folded. */
  function extend(graph) {
    const update = { x: [], y: [] };
    const most = { x: [], y: [] };
    const indices = [];
    plant.lines.forEach(({ series: one }, index) => {
      const from = firstNewCell(one, drawn.cells[index]);
      if (from === one.times.length) return;
      const { times, whole, partial } = wallClock(one, from);
      const window = Math.floor(plant.WINDOW_MS / one.stepMs) + 1;
      indices.push(2 * index, 2 * index + 1);
      update.x.push(times, times);
      update.y.push(whole, partial);
      for (const bound of [most.x, most.y]) bound.push(window, window);
      drawn.cells[index] = one.nextMs;
    });
    if (!indices.length) return false;
    prepareLayout(graph);
    Plotly.extendTraces(graph, update, indices, most).then(() => paintLabels(graph));
    drawn.count += 1;
    return true;
  }

  function firstNewCell(one, drawnUntilMs) {
    let from = one.times.length;
    while (from > 0 && one.times[from - 1] >= drawnUntilMs) from -= 1;
    return from;
  }

  /* Cells as Plotly wants them: the site's wall clock, and kW. */
  function wallClock(one, from) {
    const { times, whole, partial } = series.lines(one, from);
    const kw = (powerW) => (powerW === null ? null : powerW / 1000);
    return { times: times.map((atMs) => atMs + drawn.offsetMs), whole: whole.map(kw), partial: partial.map(kw) };
  }

  /* What changes with time is set before the draw, which then happens only once. */
  function prepareLayout(graph) {
    const { layout } = graph;
    const endMs = plant.watermarkMs + drawn.offsetMs;
    layout.xaxis.range = [endMs - plant.WINDOW_MS, endMs];
    layout.xaxis.nticks = Math.max(3, Math.floor(graph.clientWidth / TICK_PX));
    layout.separators = formats.separators();
    for (const words of layout.annotations || []) words.text = `contract limit ${limitWords()}`;
    const kept = (layout.shapes || []).filter((shape) => shape.name !== "above-limit");
    layout.shapes = kept.concat(spansAboveLimit().map(spanShape));
  }

  function limitWords() {
    return formats.amount({ value: plant.description.contract_power_w / 1000, unit: "kW", digits: 0 });
  }

  /* Spans in which the plant took more than its contract allows, in wall clock time. */
  function spansAboveLimit() {
    const limitW = plant.description.contract_power_w;
    const { times, sums, stepMs } = plant.lines[0].series;
    const spans = [];
    times.forEach((atMs, index) => {
      if (limitW === null || sums[index] === null || sums[index] <= limitW) return;
      const last = spans[spans.length - 1];
      const startMs = atMs - stepMs + drawn.offsetMs;
      if (last && last[1] === startMs) last[1] += stepMs;
      else spans.push([startMs, startMs + stepMs]);
    });
    return spans;
  }

  function spanShape([x0, x1]) {
    const style = getComputedStyle(document.documentElement);
    return {
      name: "above-limit", type: "rect", layer: "below", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1,
      line: { width: 0 }, fillcolor: style.getPropertyValue("--m-abnormal-span").trim(),
    };
  }

  // The names at the ends of the lines

  function paintLabels(graph) {
    const box = dom.part(graph.closest("[data-looks]"), "labels");
    const { margin, yaxis } = graph.layout;
    const heightPx = graph.clientHeight - margin.t - margin.b;
    const [low, high] = yaxis.range;
    const labels = plant.lines.map((line, index) => labelOf(line, index, (powerW) =>
      margin.t + heightPx * (1 - (powerW / 1000 - low) / (high - low))));
    spread(labels, margin.t, margin.t + heightPx);
    while (box.children.length < labels.length) box.append(newLabel());
    while (box.children.length > labels.length) box.lastChild.remove();
    labels.forEach((label, index) => paintLabel(box.children[index], label));
  }

  /* A line's last known value, where it ends. */
  function labelOf({ name, series: one }, index, heightOf) {
    let last = one.sums.length - 1;
    while (last >= 0 && one.sums[last] === null) last -= 1;
    const powerW = last < 0 ? null : one.sums[last];
    const isNow = last === one.sums.length - 1 && one.counts[last] === one.members.length;
    return { name, powerW, isNow, isTotal: index === 0, y: powerW === null ? heightOf(0) : heightOf(powerW) };
  }

  /* Push labels apart so that none covers another, and keep them inside. */
  function spread(labels, top, bottom) {
    const sorted = [...labels].sort((a, b) => a.y - b.y);
    let free = top;
    for (const label of sorted) {
      label.y = Math.max(label.y, free);
      free = label.y + LABEL_HEIGHT_PX;
    }
    let limit = bottom;
    for (const label of sorted.reverse()) {
      label.y = Math.min(label.y, limit);
      limit = label.y - LABEL_HEIGHT_PX;
    }
  }

  function newLabel() {
    const label = document.createElement("span");
    label.className = "m-chart-label";
    label.append(document.createElement("span"), document.createElement("b"));
    return label;
  }

  function paintLabel(element, label) {
    const { value } = formats.power(label.powerW);
    dom.text(element.children[0], label.name);
    dom.text(element.children[1], formats.number(value, Math.abs(value) >= 100 ? 0 : 1));
    dom.attribute(element, "data-total", String(label.isTotal));
    dom.attribute(element, "data-now", String(label.isNow));
    dom.property(element, "top", `${label.y.toFixed(1)}px`);
  }

  addEventListener("monitor:theme", () => { drawn.graph = null; });
  return { paint, drawn };
})();
