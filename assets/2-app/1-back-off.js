/* When to try again: the wait between attempts to connect, and the pace of polling while the socket is away. Pure. */
window.monitor = window.monitor || {};
window.monitor.backOff = (() => {
  const FIRST_WAIT_MS = 1000;
  const LONGEST_WAIT_MS = 30000;
  const AT_ONCE_MS = 500; // even then not all in the same instant
  const REMEMBERED_MS = 3600 * 1000;

  /* What a close code asks for, as in the Pusher protocol: "never", "later" or "at once". */
  function wish(code) {
    if (code >= 4000 && code <= 4099) return "never";
    return code >= 4200 && code <= 4299 ? "at once" : "later";
  }

  /* The wait before the next attempt: it doubles up to 30 s; half of it is fixed and half is chance (0 <= chance < 1),
     so that the browsers of a restarted server do not come back all at once. */
  function waitMs(failures, chance, code = null) {
    if (failures === 0 && wish(code) === "at once") return AT_ONCE_MS * chance;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
    return longest / 2 + (longest / 2) * chance;
  }

  /* The times of failed attempts that still count: those of the last hour. */
  function recent(failedAtMs, nowMs) {
    return failedAtMs.filter((atMs) => nowMs - atMs < REMEMBERED_MS);
  }

  /* Seconds between two polls: often while an outage may be short, seldom once it lasts. */
  function pollEveryS(recentFailures) {
    if (recentFailures === 0) return 5;
    return recentFailures <= 3 ? 10 : 30;
  }

  /* The wait until the next poll: a little more or less, so that those who lost their server together ask apart. */
  function pollWaitMs(everyS, chance) {
    return everyS * 1000 * (0.9 + 0.2 * chance);
  }

  return { wish, waitMs, recent, pollEveryS, pollWaitMs };
})();
