/* The page "Real time": paints its tiles, sentences and tables from what the server says. */
window.monitor = window.monitor || {};
window.monitor.realtime = (() => {
  const STALE_MS = 12000;
  const WATCH_EVERY_MS = 2000;
  const { clock, dom, formats, rows } = monitor;

  let facts = null;

  /* {problems, tiles, tables} of this moment. */
  function takeFacts(given) {
    if (!given) return;
    facts = given;
    monitor.tiles.takeOver(facts.tiles);
    paint();
  }

  function paint() {
    const page = document.querySelector(".m-realtime");
    if (!page || !facts) return;
    const ageMs = clock.serverMs() - facts.tiles.sockets.at;
    const isStale = ageMs > STALE_MS;
    dom.attribute(page, "data-fresh", isStale ? "stale" : "fresh");
    const silence = `The server has not answered for ${formats.span(ageMs)}; what you see is the last that was known.`;
    paintProblems(isStale ? [silence] : facts.problems);
    for (const box of page.querySelectorAll("[data-table]")) rows.paint(box, facts.tables[box.dataset.table]);
  }

  function paintProblems(sentences) {
    const box = document.getElementById("realtime-problems");
    if (box && rows.hasChanged(box, sentences)) box.replaceChildren(...sentences.map(problem));
  }

  function problem(sentence) {
    const shape = rows.make("span", "2", "m-shape");
    shape.title = "high";
    const row = rows.make("p", null, "m-problem");
    row.dataset.severity = "high";
    row.append(shape, rows.make("span", sentence));
    return row;
  }

  setInterval(paint, WATCH_EVERY_MS);
  return { takeFacts, shown: () => facts };
})();

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.realtime = {
  takeFacts: monitor.realtime.takeFacts,
  takeHour: monitor.hour.take,
};
