/* Fetches over HTTP what the socket did not bring: the first half hour, and whatever an outage or a lost frame left out. */
window.monitor = window.monitor || {};
window.monitor.catchUp = (() => {
  const OVERLAP_MS = 60000; // a slow poll is stored this long after its samples were taken
  const POINTS_PER_REQUEST = 200;
  const PATIENCE_MS = 10000;
  const REST_MS = 1000; // between two rounds: a browser that is too slow for its socket would fetch without end

  let isGap = true; // readings are missing between completeUntilMs and now
  let completeUntilMs = null;
  let gapsFound = 0;
  let running = null;
  const listeners = new Set();

  class SignedOut extends Error {}

  /* From here on readings may be missing; say it before the next ones are taken over. */
  function gapFound() {
    if (!isGap) completeUntilMs = monitor.plant.watermarkMs;
    isGap = true;
    gapsFound += 1;
  }

  /* All is missing, as when new points have come. */
  function nothingKnown() {
    gapFound();
    completeUntilMs = null;
  }

  /* Fetch until nothing is missing; one run at a time. Rejects when the server can't be reached or refuses. */
  function run() {
    if (!running) running = fill().finally(() => { running = null; });
    return running;
  }

  async function fill() {
    let gapsBefore;
    do {
      gapsBefore = gapsFound;
      await fetchAll(firstMissingMs());
    } while (gapsBefore !== gapsFound && (await rest()));
    isGap = false;
    for (const listener of listeners) listener();
  }

  /* Call a function whenever what was missing has been fetched. Returns what ends it. */
  function listen(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /* The readings of the last half hour of points that are watched from now on. */
  async function seed(ids) {
    const found = { reachedMs: Infinity, earliestMs: Infinity, count: 0 };
    await fetchPoints(ids, Math.floor(monitor.clock.serverMs() - monitor.plant.KEPT_MS), found);
  }

  function rest() {
    return new Promise((resolve) => monitor.clock.after(REST_MS, () => resolve(true)));
  }

  function firstMissingMs() {
    const knownMs = isGap ? completeUntilMs : monitor.plant.watermarkMs;
    const windowMs = monitor.clock.serverMs() - monitor.plant.KEPT_MS;
    return Math.floor(knownMs === null ? windowMs : Math.max(knownMs - OVERLAP_MS, windowMs));
  }

  /* Take over all watched points from a time on; what they reach is known once the last answer is in. */
  async function fetchAll(afterMs) {
    const ids = [...monitor.plant.rings.keys()];
    const found = { reachedMs: Infinity, earliestMs: Infinity, count: 0 };
    for (let start = 0; start === 0 || start < ids.length; start += POINTS_PER_REQUEST) {
      await fetchPoints(ids.slice(start, start + POINTS_PER_REQUEST), afterMs, found);
    }
    completeUntilMs = found.reachedMs;
    monitor.plant.reopen(found.earliestMs);
    monitor.plant.heard(found.reachedMs);
    monitor.journal.detail("catch-up", () =>
      `${found.count} readings that were missing since ${new Date(afterMs).toISOString()}`);
  }

  /* The answers may be cut: each says how far it goes. What is known is known up to the server's time of the first. */
  async function fetchPoints(ids, afterMs, found) {
    let answer = await fetchJson(`/live/readings?points=${ids.join(",")}&after=${afterMs}`);
    found.reachedMs = Math.min(found.reachedMs, answer.at);
    takeOver(answer, found);
    while (answer.more) {
      answer = await fetchJson(`/live/readings?points=${ids.join(",")}&after=${answer.until}`);
      takeOver(answer, found);
    }
  }

  async function fetchJson(address) {
    const response = await ask(address);
    if (response.status === 401 || response.status === 403) throw new SignedOut("you are signed out");
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return response.json();
  }

  async function ask(address) {
    try {
      return await fetch(address, {
        signal: AbortSignal.timeout(PATIENCE_MS), redirect: "error", headers: { Accept: "application/json" },
      });
    } catch {
      throw new Error("the server does not answer");
    }
  }

  /* Keep what is not known yet, and note how much that is and from when on. */
  function takeOver(answer, found) {
    for (const [id, times, values, qualities] of answer.readings) {
      times.forEach((atMs, index) => {
        if (!monitor.plant.reading(id, atMs, values[index], qualities[index])) return;
        found.count += 1;
        found.earliestMs = Math.min(found.earliestMs, atMs);
      });
    }
    answer.gateways.forEach(monitor.plant.gatewayState);
  }

  return {
    gapFound, nothingKnown, run, seed, listen, fetchJson, isRunning: () => running !== null, isComplete: () => !isGap, SignedOut,
  };
})();
