/* Time and chance: the server's time as this browser knows it, and the sources that tests replace. */
window.monitor = window.monitor || {};
window.monitor.clock = (() => {
  const REMEMBERED_MS = 60000;
  const SLEPT_MS = 3000;
  const injected = window.monitorTest || {};
  const scale = injected.scale || 1; // below 1 every wait is shorter: a test sees an outage of minutes in seconds
  const random = injected.random || Math.random;

  let newest = { lead: -Infinity, sinceMs: 0 };
  let older = -Infinity;
  let aheadMs = null; // this computer's clock against steady time, when it was last looked at

  /* Milliseconds that never jump when somebody sets this computer's clock. */
  function steadyMs() {
    return performance.now();
  }

  /* A time the server has just named. The largest lead of the last minute or two came with the least delay. */
  function heard(serverMs) {
    const nowMs = steadyMs();
    if (nowMs - newest.sinceMs > REMEMBERED_MS) {
      older = newest.lead;
      newest = { lead: -Infinity, sinceMs: nowMs };
    }
    newest.lead = Math.max(newest.lead, serverMs - nowMs);
  }

  /* The server's time in milliseconds since 1970; this computer's own until the server has been heard. */
  function serverMs() {
    const lead = Math.max(newest.lead, older);
    return lead === -Infinity ? Date.now() : steadyMs() + lead;
  }

  /* Has this computer slept since the last call, or its clock been set? Steady time may stand still while it sleeps. */
  function hasSlept() {
    const beforeMs = aheadMs;
    aheadMs = Date.now() - steadyMs();
    return beforeMs !== null && aheadMs - beforeMs > SLEPT_MS;
  }

  function after(waitMs, action) {
    return setTimeout(action, waitMs * scale);
  }

  return { scale, random, steadyMs, heard, serverMs, hasSlept, after };
})();
