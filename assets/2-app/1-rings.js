/* The readings of the last half hour, one bounded ring per watched data point: sorted by time, each time once. */
window.monitor = window.monitor || {};
window.monitor.rings = (() => {
  const GOOD = 0;

  class Ring {
    constructor() {
      this.times = [];
      this.values = []; // null: no value
      this.qualities = [];
    }

    /* Keep a reading, wherever its time belongs; one of a time already known replaces it. True when the time is new. */
    add(atMs, value, quality) {
      const before = this.indexAt(atMs);
      const known = before >= 0 && this.times[before] === atMs;
      const place = known ? before : before + 1;
      this.times.splice(place, known ? 1 : 0, atMs);
      this.values.splice(place, known ? 1 : 0, value);
      this.qualities.splice(place, known ? 1 : 0, quality);
      return !known;
    }

    /* The index of the newest reading at or before a time; -1 when there is none. */
    indexAt(atMs) {
      let low = 0;
      let high = this.times.length;
      if (high && this.times[high - 1] <= atMs) return high - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.times[middle] <= atMs) low = middle + 1;
        else high = middle;
      }
      return low - 1;
    }

    /* Forget what is older; done in bulk, since cutting the front of an array moves the rest. */
    trim(beforeMs) {
      const count = this.indexAt(beforeMs - 1) + 1;
      if (count < 64) return;
      for (const column of [this.times, this.values, this.qualities]) column.splice(0, count);
    }

    newestMs() {
      return this.times.length ? this.times[this.times.length - 1] : null;
    }

    /* The value in force at a time; null when there is none, when it is not good, or when it is older than maxAgeMs. */
    valueAt(atMs, maxAgeMs) {
      const index = this.indexAt(atMs);
      if (index < 0 || atMs - this.times[index] > maxAgeMs || this.qualities[index] !== GOOD) return null;
      return this.values[index];
    }
  }

  return { Ring };
})();
