/* Half an hour of one point in fixed memory: the least and the greatest good value of each span of fifteen seconds. */
window.monitor = window.monitor || {};
window.monitor.cells = (() => {
  const STEP_MS = 15000;
  const COUNT = 121; // half an hour, and the span that is filling
  const GAP_PERIODS = 3;

  class Cells {
    constructor() {
      this.numbers = new Int32Array(COUNT); // which span a place holds, counted from 1970
      this.lows = new Float64Array(COUNT);
      this.highs = new Float64Array(COUNT);
      this.lasts = new Float64Array(COUNT); // the newest of the span
      this.lastMs = new Float64Array(COUNT);
      this.edition = 0; // grows with each change
    }

    /* Keep a value wherever its time belongs, in any order and however often; what is too old is left out. */
    add(atMs, value) {
      const number = Math.floor(atMs / STEP_MS);
      const place = number % COUNT;
      if (this.numbers[place] > number) return;
      if (this.numbers[place] < number) this.begin(place, number);
      this.lows[place] = Math.min(this.lows[place], value);
      this.highs[place] = Math.max(this.highs[place], value);
      if (atMs >= this.lastMs[place]) {
        this.lasts[place] = value;
        this.lastMs[place] = atMs;
      }
      this.edition += 1;
    }

    begin(place, number) {
      this.numbers[place] = number;
      this.lows[place] = Infinity;
      this.highs[place] = -Infinity;
      this.lastMs[place] = -Infinity;
    }

    /* The spans of the half hour before a time as points of a line: its lows and highs in turn, null where it breaks. */
    line(endMs, periodMs) {
      const last = Math.floor(endMs / STEP_MS);
      const mostApart = Math.max(1, Math.ceil((GAP_PERIODS * periodMs) / STEP_MS));
      const times = [];
      const values = [];
      let before = null;
      for (let number = last - COUNT + 1; number <= last; number += 1) {
        const place = number % COUNT;
        if (this.numbers[place] !== number) continue;
        const atMs = number * STEP_MS;
        if (before !== null && number - before > mostApart) push(times, values, atMs, null);
        const found = inTurn(values, this.lows[place], this.highs[place], this.lasts[place]);
        found.forEach((value, index) => push(times, values, atMs + ((index + 0.5) * STEP_MS) / found.length, value));
        before = number;
      }
      return { times, values, startMs: (last - COUNT + 1) * STEP_MS, endMs: (last + 1) * STEP_MS };
    }
  }

  function push(times, values, atMs, value) {
    times.push(atMs);
    values.push(value);
  }

  /* First what is nearer to where the line is, and the newest at the end. */
  function inTurn(values, low, high, newest) {
    if (low === high) return [low];
    const from = values.length ? values[values.length - 1] : null;
    const isLowFirst = from === null || Math.abs(low - from) <= Math.abs(high - from);
    const both = isLowFirst ? [low, high] : [high, low];
    return newest === both[1] ? both : [...both, newest];
  }

  return { Cells, STEP_MS };
})();
