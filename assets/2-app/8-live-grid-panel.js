/* Below or beside the grid of the page "Live": the list of the picked points, their chart or its table, and the way on. */
window.monitor = window.monitor || {};
window.monitor.livePanel = (() => {
  const { clock, dom, formats, latest, liveBar, liveCells, liveChart, livePicks } = monitor;

  let shown = ""; // the points in the list
  let unpick = () => {};

  /* Fill the panel. takeOut: called with the ids of points that are to be picked no more. */
  function build(box, takeOut) {
    unpick = takeOut;
    shown = "";
    const { make, button } = liveBar;
    const head = make("div", "m-panel-head");
    const aside = make("div", "m-aside");
    const swap = button("Table", "m-button", () => swapTable(swap), { "aria-pressed": "false" });
    const history = make("a", "m-button m-live-history", "Open in History", { id: "live-history" });
    const clear = button("Clear", "m-button", () => unpick(livePicks.ids));
    aside.append(make("span", "m-figures", "", { id: "live-caption" }), swap, history, clear);
    head.append(make("h2", "m-panel-title", "Picked points"), aside);
    const chart = make("div", "m-chart", null, { id: "live-chart-box" });
    const labels = make("div", "m-chart-labels", null, { "data-part": "labels", "aria-hidden": "true" });
    chart.append(make("div", "m-graph", null, { id: "live-chart", role: "img", "aria-label": "Picked points, last 30 minutes" }), labels);
    const table = make("div", "m-table-box", null, { id: "live-table", tabindex: "0", hidden: "" });
    box.replaceChildren(head, make("ul", "m-live-legend", null, { id: "live-legend" }), chart, table);
  }

  function swapTable(button) {
    const isTable = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isTable));
    document.getElementById("live-chart-box").hidden = isTable;
    document.getElementById("live-table").hidden = !isTable;
    paintChart();
  }

  /* The panel of the picked points, and their list: name, value, and the way out. */
  function paint() {
    const panel = document.getElementById("live-picked");
    if (!panel) return;
    const rows = livePicks.ids.filter((id) => latest.rows.has(id)).map((id) => latest.rows.get(id));
    panel.hidden = !rows.length;
    dom.attribute(document.getElementById("live"), "data-picked", String(rows.length > 0));
    const key = `${rows.map((row) => row.id).join()} ${latest.edition}`;
    if (shown !== key) {
      shown = key;
      document.getElementById("live-legend").replaceChildren(...rows.map(legendOf));
      document.getElementById("live-history").href = `/history?points=${livePicks.ids.join(",")}`;
    }
    paintLegend(rows);
    paintChart();
  }

  function legendOf(row) {
    const { make, button } = liveBar;
    const item = make("li", "m-live-entry", null, { "data-slot": String(livePicks.slotOf(row.pointId)) });
    const name = make("span", "m-live-entry-name", `${row.gateway} · ${row.device} · ${row.point}`);
    const out = button("×", "m-live-out", () => unpick([row.pointId]), {
      "aria-label": `Take ${row.point}, ${row.device}, ${row.gateway} out of the chart`,
    });
    item.append(make("span", "m-live-swatch"), name, make("b", "m-figures", "", { "data-part": "value" }), out);
    return item;
  }

  function paintLegend(rows) {
    const items = document.getElementById("live-legend").children;
    rows.forEach((row, index) => {
      const unit = row.value === null ? "" : ` ${row.unit}`;
      dom.text(dom.part(items[index], "value"), `${liveCells.valueWords(row)}${unit}`);
      dom.attribute(items[index], "data-fresh", latest.freshnessOf(row, clock.serverMs()));
    });
  }

  function paintChart() {
    const panel = document.getElementById("live-picked");
    if (!panel || panel.hidden) return;
    dom.text(document.getElementById("live-caption"), `last 30 min · ${formats.zone(clock.serverMs())}`);
    const table = document.getElementById("live-table");
    if (!table.hidden) monitor.rows.paint(table, liveChart.table());
    else liveChart.paint(document.getElementById("live-chart"));
  }

  function forget() {
    shown = "";
  }

  return { build, paint, paintChart, forget };
})();
