/* What the page History shows: its address is the only place where it is kept, the newest answer is what is drawn. */
window.monitor = window.monitor || {};
window.monitor.historyState = (() => {
  const PATH = "/history";
  const PATIENCE_MS = 20000;
  const REST_MS = 200; // while somebody goes on turning the wheel
  const { clock, historyTime } = monitor;

  const state = { answer: null, status: "idle", asked: 0, edition: 0, complaint: "", problem: null };
  let timer = null;
  let patience = null;

  function isShown() {
    return location.pathname === PATH && Boolean(document.getElementById("history-page"));
  }

  function parameters() {
    return new URLSearchParams(location.search);
  }

  function pointIds() {
    const text = parameters().get("points") || "";
    return text.split(",").filter((id) => /^\d+$/.test(id)).map(Number);
  }

  /* Another address, by the names of its parameters; null leaves one out. */
  function change(changes) {
    const given = parameters();
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) given.delete(name);
      else given.set(name, value);
    }
    const search = given.toString().replace(/%2C/g, ",").replace(/%3A/g, ":");
    go(search ? `?${search}` : "");
  }

  function go(search) {
    if (search === location.search) {
      again();
      return;
    }
    history.pushState({}, "", PATH + search + location.hash);
    dispatchEvent(new CustomEvent("_dashprivate_pushstate")); // dcc.Location listens to it
  }

  /* A span, as soon as nobody has asked for another for a moment. */
  function span(startMs, endMs) {
    clearTimeout(timer);
    mark("loading");
    const [start, end] = [Math.floor(startMs), Math.ceil(endMs)].map(stamp);
    timer = clock.after(REST_MS, () => change({ range: null, start, end }));
  }

  /* UTC, as the address has it. */
  function stamp(atMs) {
    return new Date(atMs).toISOString().replace(/\.000Z$/, "Z");
  }

  /* The same once more: its range may have moved on, or somebody has changed something. */
  function again() {
    if (isShown()) dash_clientside.set_props("history-ask", { data: question(location.search) });
  }

  function question(search) {
    state.asked += 1;
    state.complaint = "";
    mark("loading");
    clearTimeout(patience);
    patience = clock.after(PATIENCE_MS, () => mark("silent"));
    return { search: search || "", pixels: pixels(), number: state.asked };
  }

  /* Pixels between the chart's margins; before there is a chart, those it will have. */
  function pixels() {
    const box = document.getElementById("history-chart");
    const width = box && box.clientWidth ? box.clientWidth - 210 : window.innerWidth * 0.6;
    return Math.max(100, Math.ceil(width / 50) * 50);
  }

  /* The answer to the newest question; an older one comes too late. While the database is away the last one stays. */
  function take(answer) {
    if (!answer || answer.number !== state.asked) return;
    clearTimeout(patience);
    state.problem = answer.problem;
    if (answer.is_away && state.answer) {
      mark("away");
      return;
    }
    for (const track of tracksOf(answer)) prepare(track, answer);
    state.answer = answer;
    state.edition += 1;
    mark(answer.problem ? "problem" : "shown");
  }

  function tracksOf(answer) {
    return [...Object.values(answer.tracks), ...Object.values(answer.compared ? answer.compared.tracks : {})];
  }

  /* Times are sent as distances from the start. The width of a local day is 23 to 25 hours. */
  function prepare(track, answer) {
    track.times = track.times.map((ms) => ms + answer.start_ms);
    track.widths = track.times.map((atMs) => {
      if (!track.is_days) return track.bucket_ms;
      return historyTime.trueMs(answer.clock, historyTime.wallMs(answer.clock, atMs) + track.bucket_ms) - atMs;
    });
  }

  /* A sentence about something that was typed; the next answer takes it away. */
  function complain(sentence) {
    state.complaint = sentence;
    dispatchEvent(new Event("monitor:history"));
  }

  function mark(status) {
    state.status = status;
    dispatchEvent(new Event("monitor:history"));
  }

  return Object.assign(state, { isShown, parameters, pointIds, change, go, span, stamp, again, question, take, complain });
})();
