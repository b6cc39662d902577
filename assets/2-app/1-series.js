/* Folds the readings of several points into one series: their sum on a fixed grid, each cell once, in order. Pure. */
window.monitor = window.monitor || {};
window.monitor.series = (() => {
  const MISSING_AFTER_PERIODS = 3; // a point silent for longer has no value
  const LATE_AFTER_PERIODS = 2; // a cell waits this long for a point that says nothing

  const SHORTEST_STEP_MS = 2000;

  /* members: [{ring, periodMs}]. A cell at time t holds the sum of the values in force at t; cells lie a step apart,
     which is the slowest member's period, and no less than shortestStepMs. */
  function create(members, windowMs, shortestStepMs = SHORTEST_STEP_MS) {
    const slowestMs = Math.max(SHORTEST_STEP_MS, ...members.map((member) => member.periodMs));
    return {
      members,
      windowMs,
      stepMs: Math.max(slowestMs, shortestStepMs),
      patienceMs: LATE_AFTER_PERIODS * slowestMs,
      nextMs: null,
      restarts: 0, // grows when cells that may have been drawn are gone or will come again
      times: [],
      sums: [], // null: no member had a value
      counts: [], // members that had one
    };
  }

  /* Add the cells that are complete by now; returns how many. `series.times` never holds more than the window. */
  function advance(series, watermarkMs) {
    if (watermarkMs === null || !series.members.length) return 0;
    const firstMs = Math.ceil((watermarkMs - series.windowMs) / series.stepMs) * series.stepMs;
    if (series.nextMs === null || series.nextMs < firstMs) restartAt(series, firstMs);
    let added = 0;
    while (isComplete(series, series.nextMs, watermarkMs)) {
      append(series, series.nextMs);
      series.nextMs += series.stepMs;
      added += 1;
    }
    forget(series, firstMs);
    return added;
  }

  /* Take back the cells from a time on: readings have come that they lack. They are folded anew. */
  function reopen(series, fromMs) {
    let kept = series.times.length;
    while (kept > 0 && series.times[kept - 1] >= fromMs) kept -= 1;
    if (kept === series.times.length) return;
    series.nextMs = series.times[kept];
    for (const column of [series.times, series.sums, series.counts]) column.length = kept;
    series.restarts += 1;
  }

  /* After a pause longer than the window nothing of the old series is on the chart any more. */
  function restartAt(series, firstMs) {
    series.nextMs = firstMs;
    series.times = [];
    series.sums = [];
    series.counts = [];
    series.restarts += 1;
  }

  /* No reading can change the cell any more: each member has gone past it, or has had long enough. */
  function isComplete(series, atMs, watermarkMs) {
    if (atMs > watermarkMs) return false;
    if (watermarkMs >= atMs + series.patienceMs) return true;
    return series.members.every((member) => member.ring.newestMs() !== null && member.ring.newestMs() >= atMs);
  }

  function append(series, atMs) {
    const { sum, count } = sumAt(series.members, atMs);
    series.times.push(atMs);
    series.sums.push(count ? sum : null);
    series.counts.push(count);
  }

  /* The sum of the members that have a value at a time, and how many those are. */
  function sumAt(members, atMs) {
    let sum = 0;
    let count = 0;
    for (const { ring, periodMs } of members) {
      const value = ring.valueAt(atMs, MISSING_AFTER_PERIODS * periodMs);
      if (value === null) continue;
      sum += value;
      count += 1;
    }
    return { sum, count };
  }

  function forget(series, firstMs) {
    let count = 0;
    while (count < series.times.length && series.times[count] < firstMs) count += 1;
    if (!count) return;
    for (const column of [series.times, series.sums, series.counts]) column.splice(0, count);
  }

  /* The part of a series from an index on as two lines: the whole sums, and the sums that lack a member. */
  function lines(series, fromIndex) {
    const whole = [];
    const partial = [];
    for (let index = fromIndex; index < series.times.length; index += 1) {
      const isWhole = series.counts[index] === series.members.length;
      whole.push(isWhole ? series.sums[index] : null);
      partial.push(isWhole ? null : series.sums[index]);
    }
    return { times: series.times.slice(fromIndex), whole, partial };
  }

  return { create, advance, reopen, sumAt, lines, MISSING_AFTER_PERIODS };
})();
