/* The page's one socket: when it is tried, when it is given up, and when it is tried again.
   It lives in Dash's WebSocket component, which never reconnects by itself but does when its url changes. */
window.monitor = window.monitor || {};
window.monitor.socket = (() => {
  const HEARTBEATS_MISSED = 2.5;
  const ANSWER_WITHIN_MS = 3000;
  const [OPEN, CLOSED] = [1, 3];
  const { backOff, clock, journal } = monitor;

  const socket = {
    phase: "idle", // idle, connecting, open (nothing said yet), live, waiting (for the next attempt), held (see hold)
    cause: "not connected yet",
    attempts: 0,
    pings: 0,
    failures: 0, // attempts without data since the last data
    failedAtMs: [],
    lastAttemptMs: null,
    lastFrameMs: 0,
    lostMs: null, // when the last connection ended
    timer: null,
    probing: null,
    whenLost: () => {},
    whenHeld: () => {},
  };

  const isUp = () => ["connecting", "open", "live"].includes(socket.phase);
  const isLive = () => socket.phase === "live";

  /* The functions to call when the connection is gone, and when only the answer to a poll can tell what to do next. */
  function listen(whenLost, whenHeld) {
    Object.assign(socket, { whenLost, whenHeld });
  }

  function address() {
    const server = location.origin.replace(/^http/, "ws");
    return `${server}/ws?${monitor.frames.position()}&attempt=${socket.attempts}`;
  }

  /* The attempt's number changes the url every time. */
  function connect() {
    clearTimeout(socket.timer);
    socket.attempts += 1;
    socket.phase = "connecting";
    socket.lastAttemptMs = clock.serverMs();
    socket.lastFrameMs = clock.steadyMs();
    monitor.frames.begin();
    journal.detail("socket", () => `attempt ${socket.attempts}, ${monitor.frames.position()}`);
    dash_clientside.set_props("shell-socket", { url: address() });
  }

  /* The component's state has changed. */
  function changed(change) {
    if (change.readyState === OPEN && socket.phase === "connecting") opened();
    else if (change.readyState === CLOSED) lost(causeOf(change), change.code);
  }

  function opened() {
    socket.phase = "open";
    socket.lastFrameMs = clock.steadyMs();
  }

  function causeOf({ code, reason }) {
    if (code === 1006) return isLive() ? "the connection broke off" : "no connection could be made";
    return `the server closed the connection (${code}${reason ? `, ${reason}` : ""})`;
  }

  /* The connection is gone, or an attempt came to nothing. */
  function lost(cause, code = null) {
    if (!isUp()) return;
    if (isLive()) socket.lostMs = clock.steadyMs();
    socket.whenLost();
    if (!isLive()) countFailure();
    stopProbing();
    socket.cause = cause;
    if (backOff.wish(code) === "never") {
      hold();
      socket.whenHeld();
    } else wait(backOff.waitMs(socket.failures, clock.random(), code));
  }

  function countFailure() {
    socket.failures += 1;
    socket.failedAtMs = backOff.recent([...socket.failedAtMs, clock.steadyMs()], clock.steadyMs());
  }

  function wait(waitMs) {
    socket.phase = "waiting";
    socket.timer = clock.after(waitMs, connect);
    journal.say("socket", `not connected: ${socket.cause}`, `next attempt in ${(waitMs / 1000).toFixed(1)} s`);
  }

  /* The server does not want this connection, as when the session has ended: try no more until a poll is let in. */
  function hold() {
    if (socket.phase === "held") return;
    clearTimeout(socket.timer);
    socket.phase = "held";
    journal.say("socket", `not connected: ${socket.cause}`, "next attempt once a poll is answered");
  }

  /* A poll was let in after all: go on trying, and not faster each time. */
  function release() {
    if (socket.phase !== "held") return;
    countFailure();
    wait(backOff.waitMs(socket.failures, clock.random()));
  }

  /* Something has come over the connection. */
  function heard() {
    socket.lastFrameMs = clock.steadyMs();
    stopProbing();
  }

  /* Back-off starts anew with the first data, not when a connection opens: a server that accepts and closes at once
     would start it anew for ever. */
  function dataCame() {
    if (isLive()) return;
    const awayMs = socket.lostMs === null ? null : clock.steadyMs() - socket.lostMs;
    const away = awayMs === null ? "" : `, ${(awayMs / 1000).toFixed(1)} s after the last connection`;
    journal.say("socket", "connected", `attempt ${socket.attempts}${away}`);
    socket.phase = "live";
    socket.failures = 0;
    socket.failedAtMs = [];
  }

  // Connections that look whole and are not

  /* A half-open connection never closes by itself; silence for longer than its heartbeats tells. */
  function watch() {
    if (clock.hasSlept()) retryNow();
    const silentMs = clock.steadyMs() - socket.lastFrameMs;
    const isSilent = silentMs > HEARTBEATS_MISSED * monitor.frames.heartbeatMs() * clock.scale;
    if (isUp() && isSilent) giveUp(`nothing heard for ${monitor.formats.span(silentMs)}`);
  }

  function giveUp(cause) {
    dash_clientside.set_props("shell-socket", { url: null });
    lost(cause);
  }

  /* Is anybody still there? A change of the network, or sleep, may have cut the way without a word. */
  function probe() {
    if (!isLive() || socket.probing !== null) return;
    socket.pings += 1;
    dash_clientside.set_props("shell-socket", { send: JSON.stringify({ event: "ping", number: socket.pings }) });
    socket.probing = clock.after(ANSWER_WITHIN_MS, () => {
      socket.probing = null;
      if (isLive()) giveUp("no answer to a ping");
    });
  }

  function stopProbing() {
    clearTimeout(socket.probing);
    socket.probing = null;
  }

  /* The computer woke up, the network is back or the page is looked at again: don't wait for the timer. */
  function retryNow() {
    if (socket.phase === "waiting") connect();
    else if (socket.phase === "held") socket.whenHeld();
    else probe();
  }

  addEventListener("online", retryNow);
  addEventListener("pageshow", retryNow);
  document.addEventListener("resume", retryNow); // of a page that the browser had frozen
  document.addEventListener("visibilitychange", () => { if (!document.hidden) retryNow(); });
  setInterval(watch, 1000 * clock.scale);

  return {
    listen, connect, changed, heard, dataCame, hold, release, isUp, isLive,
    isIdle: () => socket.phase === "idle",
    isWaiting: () => socket.phase === "waiting",
    cause: () => socket.cause,
    lastAttemptMs: () => socket.lastAttemptMs,
    recentFailures: () => backOff.recent(socket.failedAtMs, clock.steadyMs()).length,
  };
})();
