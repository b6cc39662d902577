/* The span of the page History: presets, two date-time fields in the site's time, and what the buttons ask for. */
window.monitor = window.monitor || {};
window.monitor.historyRange = (() => {
  const USUAL = { compare: "none", axes: "shared", quality: "all" };
  const { clock, dom, formats, historyChart: chart, historyState: state, historyTime, historyWords: words } = monitor;

  const ACTIONS = {
    earlier: () => chart.move(-0.5),
    later: () => chart.move(0.5),
    in: () => chart.zoom(0.5),
    out: () => chart.zoom(2),
    again: () => state.again(),
  };

  function field(name) {
    const place = document.getElementById(`history-${name}`);
    if (!place) return null;
    if (place.firstChild) return place.firstChild;
    const element = words.make("input", null, "m-field");
    Object.assign(element, { type: "datetime-local", step: 1 });
    element.setAttribute("aria-label", name === "start" ? "From, in the site's time" : "To, in the site's time");
    element.addEventListener("input", () => { element.dataset.isTyped = "true"; });
    element.addEventListener("keydown", (event) => { if (event.key === "Enter") apply(); });
    place.append(element);
    return element;
  }

  function paint() {
    const { answer } = state;
    const [start, end] = [field("start"), field("end")];
    if (!start) return;
    paintChoices();
    const range = state.parameters().get("range") || (answer ? answer.range : null);
    for (const button of document.querySelectorAll("[data-history-range]")) {
      dom.attribute(button, "aria-pressed", String(button.dataset.historyRange === range));
    }
    if (!answer || answer.start_ms === null) return;
    fill(start, historyTime.fieldOf(answer.clock, answer.start_ms));
    fill(end, historyTime.fieldOf(answer.clock, answer.end_ms));
    dom.text(document.getElementById("history-zone"), `${answer.zone} (${historyTime.zoneName(answer.clock, answer.end_ms)})`);
  }

  /* The buttons of which one of several is chosen. */
  function paintChoices() {
    for (const button of document.querySelectorAll("[data-history-choice]")) {
      const { historyChoice: name, historyValue: value } = button.dataset;
      dom.attribute(button, "aria-pressed", String((state.parameters().get(name) || USUAL[name]) === value));
    }
  }

  /* What somebody is typing is left alone. */
  function fill(element, text) {
    if (element.dataset.isTyped === "true" || element === document.activeElement) return;
    if (element.value !== text) element.value = text;
  }

  /* What was typed is sent as it stands: the server knows the zone's clock at that time. */
  function apply() {
    const [start, end] = [field("start"), field("end")];
    if (!start.value || !end.value) {
      state.complain("Fill in both times, from and to, and press “Show” again.");
      return;
    }
    for (const element of [start, end]) element.dataset.isTyped = "false";
    state.change({ range: null, start: start.value, end: end.value });
  }

  /* From the first of the month until now. */
  function thisMonth() {
    const nowMs = clock.serverMs();
    const wall = nowMs + formats.zoneOffsetMs(nowMs);
    state.change({ range: null, start: `${new Date(wall).toISOString().slice(0, 7)}-01T00:00:00`, end: state.stamp(Math.ceil(nowMs / 60000) * 60000) });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#history-page button");
    if (!button) return;
    const { historyRange, historyAction, historyChoice, historyValue } = button.dataset;
    if (historyRange) {
      for (const name of ["start", "end"]) field(name).dataset.isTyped = "false";
      if (historyRange === "month") thisMonth();
      else state.change({ range: historyRange, start: null, end: null });
    }
    if (historyAction === "show") apply();
    else if (historyAction && ACTIONS[historyAction]) ACTIONS[historyAction]();
    if (historyChoice) state.change({ [historyChoice]: historyValue === USUAL[historyChoice] ? null : historyValue });
  });

  return { paint };
})();
