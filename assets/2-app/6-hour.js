/* The last hour of the page "Real time": sockets and latency as a chart, or as a table in place of it. */
window.monitor = window.monitor || {};
window.monitor.hour = (() => {
  const TICK_PX = 75; // a time needs this much of the axis
  const LABEL_HEIGHT_PX = 15;
  const TABLE_STEP_MS = 300000;
  const LOOK_EVERY_MS = 500;
  const HIGHEST_SHARE = 1.12; // room above the highest value
  const LOWEST_TOPS = { sockets: 4, ms: 1 }; // an axis does not end below
  const { dom, formats, rows } = monitor;

  let hour = null;
  let drawnOn = null; // a graph may be mounted after the first hour has come, and anew with every visit of the page

  /* Buckets of ten seconds: see realtime_chart.last_hour. */
  function take(given) {
    if (!given) return;
    hour = given;
    paint();
  }

  function paint() {
    if (!hour || !document.querySelector(".m-realtime")) return;
    const zone = formats.zone(hour.end);
    const since = hour.times.length ? `since ${formats.time(Math.max(hour.start, hour.times[0]))}` : "no sample yet";
    dom.text(document.getElementById("realtime-caption"), `${since} · 10 s · ${zone}`);
    paintTable();
    paintChart();
  }

  function graphThere() {
    const graph = document.querySelector("#realtime-chart .js-plotly-plot");
    return graph && graph.data && graph.offsetParent ? graph : null;
  }

  function paintChart() {
    const graph = graphThere();
    if (!graph) return;
    drawnOn = graph;
    const offsetMs = formats.zoneOffsetMs(hour.end);
    const look = JSON.parse(graph.closest("[data-looks]").dataset.looks)[monitor.theme.current()];
    const times = hour.times.map((atMs) => atMs + offsetMs);
    [hour.connections, hour.p95, hour.p50].forEach((values, index) => {
      Object.assign(graph.data[index], { x: times, y: values });
      graph.data[index].line.color = look.lines[index];
    });
    prepareLayout(graph, look, offsetMs);
    Plotly.redraw(graph);
  }

  function prepareLayout(graph, look, offsetMs) {
    const { layout } = graph;
    layout.template = look.template;
    layout.separators = formats.separators();
    setRange(layout.xaxis, [hour.start + offsetMs, hour.end + offsetMs]);
    layout.xaxis.nticks = Math.max(3, Math.floor(graph.clientWidth / TICK_PX));
    setRange(layout.yaxis, [0, highest(hour.connections, LOWEST_TOPS.sockets)]);
    setRange(layout.yaxis2, [0, highest(hour.p95, LOWEST_TOPS.ms)]);
    layout.shapes = hour.away.map((span) => spanShape(span, offsetMs));
    layout.annotations = labels(graph);
  }

  /* Plotly would go on choosing the range by itself once it has. */
  function setRange(axis, range) {
    Object.assign(axis, { range, autorange: false });
  }

  function highest(values, atLeast) {
    return HIGHEST_SHARE * Math.max(atLeast, ...values.filter((value) => value !== null));
  }

  /* While the broker was out of reach. */
  function spanShape([from, to], offsetMs) {
    const colour = getComputedStyle(document.documentElement).getPropertyValue("--m-abnormal-span").trim();
    return {
      type: "rect", layer: "below", xref: "x", yref: "paper", x0: from + offsetMs, x1: to + offsetMs, y0: 0, y1: 1,
      line: { width: 0 }, fillcolor: colour,
    };
  }

  /* The names at the ends of the lines, the two of the lower half apart from each other. */
  function labels(graph) {
    const { margin, yaxis2 } = graph.layout;
    const [low, high] = yaxis2.domain;
    const pxPerMs = ((graph.clientHeight - margin.t - margin.b) * (high - low)) / yaxis2.range[1];
    const p95 = last(hour.p95);
    const p50 = last(hour.p50);
    const tooNearPx = p95 === null ? 0 : Math.max(0, LABEL_HEIGHT_PX - (p95 - p50) * pxPerMs);
    return [
      label("y", last(hour.connections), 0, "sockets", 0),
      label("y2", p95, 1, "p95", tooNearPx),
      label("y2", p50, 1, "p50", 0),
    ].filter((one) => one !== null);
  }

  function last(values) {
    const known = values.filter((value) => value !== null);
    return known.length ? known[known.length - 1] : null;
  }

  function label(axis, value, digits, name, shiftPx) {
    if (value === null) return null;
    return {
      xref: "paper", x: 1, xanchor: "left", xshift: 6, yref: axis, y: value, yanchor: "middle", yshift: shiftPx,
      text: `${name} <b>${formats.number(value, digits)}</b>`, showarrow: false, font: { size: 11.5 },
    };
  }

  // The chart as a table

  function paintTable() {
    const box = document.getElementById("realtime-hour-table");
    if (!box || box.hidden) return;
    const columns = ["Time", "Sockets", "p50", "p95", "Failures"];
    const lines = slices().map(({ atMs, from, to }) => [
      formats.time(atMs),
      amount(most(hour.connections, from, to), "", 0),
      amount(middle(hour.p50, from, to), "ms", 1),
      amount(most(hour.p95, from, to), "ms", 1),
      amount(sum(hour.failed, from, to), "", 0),
    ]);
    rows.paint(box, { columns, rows: lines, empty: "No sample yet; the first comes within a second." });
  }

  /* Five minutes each, newest first. */
  function slices() {
    const found = [];
    for (let from = 0; from < hour.times.length; from += 1) {
      const slice = found[found.length - 1];
      const atMs = Math.floor(hour.times[from] / TABLE_STEP_MS) * TABLE_STEP_MS;
      if (slice && slice.atMs === atMs) slice.to = from + 1;
      else found.push({ atMs, from, to: from + 1 });
    }
    return found.reverse();
  }

  function known(values, from, to) {
    return values.slice(from, to).filter((value) => value !== null);
  }

  function most(values, from, to) {
    const found = known(values, from, to);
    return found.length ? Math.max(...found) : null;
  }

  function middle(values, from, to) {
    const found = known(values, from, to).sort((a, b) => a - b);
    return found.length ? found[Math.floor(found.length / 2)] : null;
  }

  function sum(values, from, to) {
    const found = known(values, from, to);
    return found.length ? found.reduce((total, value) => total + value, 0) : null;
  }

  function amount(value, unit, digits) {
    return value === null ? null : { value, unit, digits };
  }

  /* The button that swaps chart and table. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-realtime-swap]");
    if (!button) return;
    const isTable = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isTable));
    document.getElementById("realtime-chart-box").hidden = isTable;
    document.getElementById("realtime-hour-table").hidden = !isTable;
    paint();
  });

  addEventListener("monitor:theme", paint);
  addEventListener("resize", () => requestAnimationFrame(paint));
  setInterval(() => { if (hour && graphThere() && graphThere() !== drawnOn) paint(); }, LOOK_EVERY_MS);
  return { take };
})();
