/* Tells the server how this page's connection is, on each change and every half minute: its health page shows it. */
window.monitor = window.monitor || {};
window.monitor.report = (() => {
  const EVERY_MS = 30000;
  const { clock, fallback, journal, live, socket } = monitor;
  const browser = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  let last = { text: "", atMs: -Infinity, isRefused: false };

  /* What was last said holds for half a minute; a change is told at once, but for a server that did not take the last. */
  function look() {
    if (socket.isIdle() || fallback.state.hasFailed) return;
    const text = JSON.stringify({ browser, ...live.health() });
    const isDue = clock.steadyMs() - last.atMs >= EVERY_MS * clock.scale;
    if (isDue || (text !== last.text && !last.isRefused)) send(text);
  }

  async function send(text) {
    last = { text, atMs: clock.steadyMs(), isRefused: false };
    last.isRefused = !(await isTaken(text));
    if (last.isRefused) journal.detail("report", () => "the server did not take it");
  }

  async function isTaken(text) {
    try {
      const answer = await fetch("/live/health", {
        method: "POST", body: text, headers: { "Content-Type": "application/json" }, redirect: "error",
      });
      return answer.ok;
    } catch {
      return false;
    }
  }

  setInterval(look, 1000 * clock.scale);
  return { browser };
})();
