/* Keeps the page live: the socket and its return after an outage, and polling in the meantime.
   Dash calls `state` and `message` for its WebSocket component and `tick` for the Interval that paces the polling. */
window.monitor = window.monitor || {};
window.monitor.live = (() => {
  const HEARTBEATS_MISSED = 2.5;
  const OPEN = 1;
  const CLOSED = 3;
  const SESSION_ENDED = 4009; // the server's close code
  const LATEST_START_MS = 3000;
  const { backOff, catchUp, clock, frames, plant, refresh } = monitor;

  const socket = {
    phase: "idle", // idle, connecting, open (nothing said yet), live, waiting (for the next attempt)
    cause: "not connected yet",
    attempts: 0,
    failures: 0, // attempts without data since the last data
    failedAtMs: [],
    lastAttemptMs: null,
    lastFrameMs: 0,
    timer: null,
  };
  const fallback = { isEnabled: false, everyS: 5, hasFailed: false, isSignedOut: false, cause: "" };

  // The socket

  function address() {
    const server = location.origin.replace(/^http/, "ws");
    return `${server}/ws?${frames.position()}&attempt=${socket.attempts}`;
  }

  /* The first connection waits until the page has drawn what it fetched: while a page loads, Dash drops messages, and
     the first one, which says where we are, would be among them. */
  function startWhenIdle() {
    dispatchEvent(new Event("monitor:filled"));
    if (window.requestIdleCallback) requestIdleCallback(start, { timeout: LATEST_START_MS });
    else start();
  }

  function start() {
    if (socket.phase === "idle") connect();
  }

  /* The component connects whenever its url changes; the attempt's number changes it every time. */
  function connect() {
    clearTimeout(socket.timer);
    socket.attempts += 1;
    socket.phase = "connecting";
    socket.lastAttemptMs = clock.serverMs();
    socket.lastFrameMs = clock.steadyMs();
    dash_clientside.set_props("shell-socket", { url: address() });
  }

  function state(change) {
    const readyState = change ? change.readyState : CLOSED;
    if (socket.phase === "idle") clock.after(LATEST_START_MS, start);
    else if (readyState === OPEN && socket.phase === "connecting") opened();
    else if (readyState === CLOSED) closed(change);
  }

  function closed(change) {
    lost(closeCause(change));
    if (change.code === SESSION_ENDED) tick(1);
  }

  function opened() {
    socket.phase = "open";
    socket.lastFrameMs = clock.steadyMs();
  }

  function closeCause(change) {
    if (change.code === 1006) return "the connection broke off";
    const reason = change.reason ? `, ${change.reason}` : "";
    return `the server closed the connection (${change.code}${reason})`;
  }

  /* The connection is gone, or an attempt came to nothing: poll from now on, and try again later. */
  function lost(cause) {
    if (socket.phase === "waiting" || socket.phase === "idle") return;
    if (socket.phase === "live") note(`connection lost: ${cause}`);
    enableFallback();
    if (socket.phase !== "live") countFailure();
    socket.phase = "waiting";
    socket.cause = cause;
    socket.timer = clock.after(backOff.waitMs(socket.failures, clock.random()), connect);
  }

  function countFailure() {
    socket.failures += 1;
    socket.failedAtMs = backOff.recent([...socket.failedAtMs, clock.steadyMs()], clock.steadyMs());
  }

  /* A half-open connection never closes by itself; silence for longer than its heartbeats tells. */
  function watch() {
    const silentMs = clock.steadyMs() - socket.lastFrameMs;
    const isWaitedFor = ["connecting", "open", "live"].includes(socket.phase);
    if (!isWaitedFor || silentMs <= HEARTBEATS_MISSED * frames.heartbeatMs() * clock.scale) return;
    dash_clientside.set_props("shell-socket", { url: null });
    lost(`nothing heard for ${monitor.formats.span(silentMs)}`);
  }

  /* The computer woke up, the network is back or the page is looked at again: don't wait for the timer. */
  function retryNow() {
    watch();
    if (socket.phase === "waiting") connect();
  }

  // Frames

  function message(frame) {
    if (!frame || !["connecting", "open", "live"].includes(socket.phase)) return;
    socket.lastFrameMs = clock.steadyMs();
    if (frames.read(JSON.parse(frame.data), socket.phase !== "live")) dataCame();
    settle();
  }

  /* Back-off and the pace of polling start anew with the first data, not when a connection opens: a server that
     accepts and closes at once would start them anew for ever. */
  function dataCame() {
    if (socket.phase === "live") return;
    note(socket.attempts > 1 ? "connected again" : "connected");
    socket.phase = "live";
    socket.failures = 0;
    socket.failedAtMs = [];
  }

  // Catching up, and polling while the socket is away

  /* Once the socket brings data: fill what is missing, and only then stop polling. What could not be fetched is tried
     again by the next poll, not by the next frame. */
  function settle() {
    if (socket.phase !== "live" || !plant.description || catchUp.isRunning()) return;
    if (catchUp.isComplete()) disableFallback();
    else if (!fallback.hasFailed) catchUp.run().then(settle, fillFailed);
  }

  function fillFailed(error) {
    polled(error);
    enableFallback();
  }

  function enableFallback() {
    if (fallback.isEnabled) return;
    fallback.isEnabled = true;
    refresh.pause();
    setPace();
  }

  function disableFallback() {
    Object.assign(fallback, { hasFailed: false, isSignedOut: false });
    if (!fallback.isEnabled) return;
    fallback.isEnabled = false;
    dash_clientside.set_props("shell-fallback", { disabled: true });
    refresh.resume();
  }

  /* The pace changes only between polls: a changed interval starts its wait anew. */
  function setPace() {
    fallback.everyS = backOff.pollEveryS(backOff.recent(socket.failedAtMs, clock.steadyMs()).length);
    dash_clientside.set_props("shell-fallback", { disabled: false, interval: fallback.everyS * 1000 * clock.scale });
  }

  async function tick(count) {
    if (!count || !fallback.isEnabled) return;
    await catchUp.run().then(() => polled(null), polled);
    if (fallback.isEnabled) setPace();
    settle();
  }

  /* A poll that succeeds after one that failed: the server is back, and so is the socket, most likely. */
  function polled(error) {
    const isBack = !error && fallback.hasFailed;
    if (Boolean(error) !== fallback.hasFailed) note(error ? `cannot poll: ${error.message}` : "polling works again");
    fallback.hasFailed = Boolean(error);
    fallback.isSignedOut = error instanceof catchUp.SignedOut;
    if (error) fallback.cause = error.message;
    else refresh.now();
    if (isBack && socket.phase === "waiting") connect();
  }

  /* What the page shows beside its name: {state, text, cause}. */
  function connection() {
    const { formats } = monitor;
    if (fallback.isSignedOut) return { state: "signed-out", text: "Signed out", cause: "sign in again to see live values" };
    if (fallback.isEnabled && fallback.hasFailed) {
      const last = plant.newestReadingMs === null ? "no data yet" : `last data ${formats.time(plant.newestReadingMs)}`;
      return { state: "offline", text: `Offline - ${last}`, cause: `${fallback.cause}; ${socket.cause}` };
    }
    if (fallback.isEnabled) {
      return { state: "reconnecting", text: `Reconnecting - polling every ${fallback.everyS} s`, cause: socket.cause };
    }
    if (socket.phase !== "live") return { state: "connecting", text: "Connecting", cause: "waiting for the first data" };
    const ageMs = plant.newestReadingMs === null ? null : Math.max(0, clock.serverMs() - plant.newestReadingMs);
    return { state: "live", text: `Live - ${ageWords(ageMs)}`, cause: "values arrive as they are read" };
  }

  function ageWords(ageMs) {
    if (ageMs === null) return "no data yet";
    return ageMs < 10000 ? `${monitor.formats.number(ageMs / 1000, 1)} s` : monitor.formats.span(ageMs);
  }

  /* For diagnosis: how this browser's connection is. */
  function health() {
    return {
      connected: socket.phase === "live",
      should_use_fallback: fallback.isEnabled,
      fallback_interval: fallback.everyS,
      recent_attempts: backOff.recent(socket.failedAtMs, clock.steadyMs()).length,
      last_attempt: socket.lastAttemptMs === null ? null : new Date(socket.lastAttemptMs).toISOString(),
    };
  }

  function note(text) {
    console.info(`live: ${text}`);
  }

  /* The plant as the server describes it, at first and after each change of it. */
  function describe(description) {
    if (!description) return;
    if (plant.describe(description)) catchUp.nothingKnown();
    if (!catchUp.isComplete()) catchUp.run().then(settle, fillFailed).finally(startWhenIdle);
  }

  addEventListener("online", retryNow);
  addEventListener("pageshow", retryNow);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) retryNow(); });
  setInterval(watch, 1000 * clock.scale);

  return { describe, state, message, tick, connection, health };
})();

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.live = {
  describe: monitor.live.describe,
  state: monitor.live.state,
  message: monitor.live.message,
  tick: monitor.live.tick,
};
