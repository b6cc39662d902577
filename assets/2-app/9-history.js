/* The page History as a whole: what it says about itself, and what Dash's callbacks hand over. */
window.monitor = window.monitor || {};
window.monitor.history = (() => {
  const LOOK_EVERY_MS = 500;
  const BESIDE_FROM_PX = 1180; // below it the points lie above the chart
  const { dom, historyChart, historyExport, historyNotes, historyPicker, historyRange, historyState: state, historyTables, historyTime, historyWords: words } = monitor;

  let place = null;

  function paint() {
    if (!state.isShown()) return;
    const page = document.getElementById("history-page");
    dom.attribute(page, "data-state", shownState());
    paintMessages();
    paintCaption();
    historyRange.paint();
    historyPicker.paint();
    historyPicker.paintChips();
    historyTables.paint();
    historyNotes.paint();
    historyExport.paint();
    historyChart.paint();
  }

  /* empty, loading, problem, away, silent or shown. */
  function shownState() {
    const { answer, status } = state;
    if (status === "shown" && answer && !answer.points.length) return "empty";
    return status === "idle" ? "loading" : status;
  }

  function paintMessages() {
    const { answer, status, complaint } = state;
    const sentences = [];
    if (complaint) sentences.push(complaint);
    if (status === "silent") sentences.push("The server has not answered for 20 s. What you see is the last that was known; press ↻ to ask again.");
    if (state.problem && (status === "problem" || status === "away")) sentences.push(state.problem);
    if (answer && status === "shown") sentences.push(...answer.warnings);
    const box = document.getElementById("history-messages");
    if (monitor.rows.hasChanged(box, sentences)) box.replaceChildren(...sentences.map(messageOf));
    dom.text(document.getElementById("history-loading"), status === "loading" || status === "idle" ? "Loading …" : "");
  }

  function messageOf(sentence) {
    const line = words.make("p", null, "m-problem");
    line.dataset.severity = "low";
    line.append(words.make("span", "3", "m-shape"), words.make("span", sentence));
    return line;
  }

  function paintCaption() {
    const { answer } = state;
    if (!answer || answer.start_ms === null || answer.problem) return;
    const span = historyTime.span(answer.clock, answer.start_ms, answer.end_ms);
    dom.text(document.getElementById("history-caption"), answer.points.length ? `${span} · ${answer.resolution}` : span);
  }

  /* Dash has put up the page, again: what was painted went with the last one. */
  function look() {
    const found = document.getElementById("history-page");
    if (found && found !== place) {
      document.getElementById("history-picker-box").open = innerWidth > BESIDE_FROM_PX || !state.pointIds().length;
      paint();
    }
    place = found;
  }

  addEventListener("monitor:history", paint);
  setInterval(look, LOOK_EVERY_MS);
  return { paint };
})();

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.history = {
  ask: monitor.historyState.question,
  takeAnswer: monitor.historyState.take,
  takeCatalogue: monitor.historyPicker.take,
  takeDone: monitor.historyNotes.done,
};
