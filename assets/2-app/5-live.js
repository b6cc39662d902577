/* Keeps the page live: frames as they come, and polling from the first sign of trouble until nothing is missing.
   Dash calls `state` and `message` for its WebSocket component and `tick` for the Interval that paces the polling. */
window.monitor = window.monitor || {};
window.monitor.live = (() => {
  const LATEST_START_MS = 3000;
  const { catchUp, clock, fallback, frames, plant, socket } = monitor;

  /* The first connection waits until the page has drawn what it fetched: while a page loads, Dash drops messages, and
     the first one, which says where we are, would be among them. */
  function startWhenIdle() {
    dispatchEvent(new Event("monitor:filled"));
    if (window.requestIdleCallback) requestIdleCallback(start, { timeout: LATEST_START_MS });
    else start();
  }

  function start() {
    if (socket.isIdle()) socket.connect();
  }

  function state(change) {
    if (socket.isIdle()) clock.after(LATEST_START_MS, start);
    else if (change) socket.changed(change);
  }

  function message(frame) {
    if (!frame || !socket.isUp()) return;
    socket.heard();
    if (frames.read(JSON.parse(frame.data))) socket.dataCame();
    if (!frames.isWhole()) fallback.enable();
    settle();
  }

  /* Once the socket brings everything: fill what is missing, and only then stop polling. What could not be fetched is
     tried again by the next poll, not by the next frame. */
  function settle() {
    if (!socket.isLive() || !frames.isWhole() || !plant.description || catchUp.isRunning()) return;
    if (catchUp.isComplete()) fallback.disable();
    else if (!fallback.state.hasFailed) catchUp.run().then(settle, fillFailed);
  }

  function fillFailed(error) {
    fallback.polled(error);
    fallback.enable();
  }

  function tick(count) {
    if (count && fallback.state.isEnabled) poll();
  }

  /* The answer to a poll tells about the socket too: a server that is back takes connections, most likely; a session
     that has ended does not open one. */
  async function poll() {
    const isBack = await fallback.poll();
    if (fallback.state.isSignedOut && !socket.isUp()) socket.hold();
    else if (isBack && socket.isWaiting()) socket.connect();
    else if (!fallback.state.hasFailed) socket.release();
    settle();
  }

  /* What the page shows beside its name: {state, text, cause}. */
  function connection() {
    const { formats } = monitor;
    const { isEnabled, isSignedOut, hasFailed, everyS, cause } = fallback.state;
    if (isSignedOut) return { state: "signed-out", text: "Signed out", cause: "sign in again to see live values" };
    if (isEnabled && hasFailed) {
      const last = plant.newestReadingMs === null ? "no data yet" : `last data ${formats.time(plant.newestReadingMs)}`;
      return { state: "offline", text: `Offline - ${last}`, cause: `${cause}; ${whyNotLive()}` };
    }
    if (isEnabled) return { state: "reconnecting", text: `Reconnecting - polling every ${everyS} s`, cause: whyNotLive() };
    if (!socket.isLive()) return { state: "connecting", text: "Connecting", cause: "waiting for the first data" };
    const ageMs = plant.newestReadingMs === null ? null : Math.max(0, clock.serverMs() - plant.newestReadingMs);
    return { state: "live", text: `Live - ${ageWords(ageMs)}`, cause: "values arrive as they are read" };
  }

  function whyNotLive() {
    if (!socket.isLive()) return socket.cause();
    if (!frames.isWhole()) return `the server's message broker is away (${frames.brokerReason()})`;
    return "connected again, what was missed is being fetched";
  }

  function ageWords(ageMs) {
    if (ageMs === null) return "no data yet";
    return ageMs < 10000 ? `${monitor.formats.number(ageMs / 1000, 1)} s` : monitor.formats.span(ageMs);
  }

  /* For diagnosis: how this browser's connection is. */
  function health() {
    const atMs = socket.lastAttemptMs();
    return {
      connected: socket.isLive(),
      should_use_fallback: fallback.state.isEnabled,
      fallback_interval: fallback.state.everyS,
      recent_attempts: socket.recentFailures(),
      last_attempt: atMs === null ? null : new Date(atMs).toISOString(),
    };
  }

  /* The plant as the server describes it, at first and after each change of it. */
  function describe(description) {
    if (!description) return;
    if (plant.describe(description)) catchUp.nothingKnown();
    if (!catchUp.isComplete()) catchUp.run().then(settle, fillFailed).finally(startWhenIdle);
  }

  socket.listen(fallback.enable, poll);

  return { describe, state, message, tick, connection, health };
})();

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.live = {
  describe: monitor.live.describe,
  state: monitor.live.state,
  message: monitor.live.message,
  tick: monitor.live.tick,
};
