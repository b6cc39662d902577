/* Brings the page up to date twice a second: folds, paints and ages, and does nothing while nobody looks. */
window.monitor = window.monitor || {};
window.monitor.paint = (() => {
  const EVERY_MS = 500;
  const TRIM_EVERY_MS = 30000;
  const { catchUp, cards, chart, clock, dom, formats, live, plant, table, tiles } = monitor;

  function paint() {
    if (document.hidden) return;
    const nowMs = clock.serverMs();
    paintConnection();
    paintTheme();
    if (!plant.description) return;
    fold();
    paintClock(nowMs);
    paintMoments(nowMs);
    tiles.paintAll(nowMs);
    cards.paintAll(nowMs);
    chart.paint();
    paintCaption(nowMs);
    table.paint();
  }

  /* While readings are missing no cell is complete, whatever its members have. */
  function fold() {
    if (!catchUp.isComplete()) return;
    for (const { series } of plant.lines) monitor.series.advance(series, plant.watermarkMs);
    for (const { series } of plant.gateways.values()) monitor.series.advance(series, plant.watermarkMs);
  }

  function paintConnection() {
    const element = document.getElementById("shell-connection");
    if (!element) return;
    const { state, text, cause } = live.connection();
    const changed = element.dataset.state !== state;
    dom.attribute(element, "data-state", state);
    dom.attribute(element, "data-cause", cause);
    dom.text(document.getElementById("shell-connection-text"), text);
    document.getElementById("shell-sign-in").hidden = state !== "signed-out";
    if (changed) dom.text(document.getElementById("shell-connection-spoken"), `${text}: ${cause}`);
  }

  function paintTheme() {
    monitor.theme.showChoice();
  }

  function paintCaption(nowMs) {
    const { stepMs } = plant.lines[0].series;
    dom.text(document.getElementById("overview-chart-caption"), `last 30 min · ${formats.span(stepMs)} · ${formats.zone(nowMs)}`);
  }

  /* The site's clock, from the server's time. */
  function paintClock(nowMs) {
    dom.text(document.getElementById("shell-date"), formats.date(nowMs));
    dom.text(document.getElementById("shell-time"), formats.time(nowMs));
    dom.text(document.getElementById("shell-zone"), formats.zone(nowMs));
  }

  /* Times that the server sends as milliseconds. */
  function paintMoments(nowMs) {
    for (const element of document.querySelectorAll("[data-at]")) {
      dom.text(element, formats.moment(Number(element.dataset.at), nowMs));
    }
  }

  addEventListener("monitor:filled", paint);
  document.addEventListener("visibilitychange", paint);
  addEventListener("resize", () => requestAnimationFrame(paint));
  setInterval(paint, EVERY_MS);
  setInterval(plant.trim, TRIM_EVERY_MS);
  return paint;
})();
