/* How old a value may get: fresh, then aging, then stale. The same rule for every value on every page. Pure. */
window.monitor = window.monitor || {};
window.monitor.freshness = (() => {
  const AGING_AFTER_PERIODS = 1.5;
  const STALE_AFTER_PERIODS = 3;

  /* "fresh", "aging" or "stale" from a sample's age; "none" when there never was one. */
  function of(ageMs, periodMs) {
    if (ageMs === null) return "none";
    if (ageMs <= AGING_AFTER_PERIODS * periodMs) return "fresh";
    return ageMs <= STALE_AFTER_PERIODS * periodMs ? "aging" : "stale";
  }

  return { of };
})();
