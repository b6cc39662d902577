/* The site's clock under a time axis of true time: ticks, words and back. A clock is what the server says of it:
   [[from_ms, offset_ms, name], ...], ascending; the first stretch holds before it too. */
window.monitor = window.monitor || {};
window.monitor.historyTime = (() => {
  const SECOND = 1000;
  const MINUTE = 60 * SECOND;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const STEPS = [1, 2, 5, 10, 15, 30].map((count) => count * SECOND)
    .concat([1, 2, 5, 10, 15, 30].map((count) => count * MINUTE), [1, 2, 3, 6, 12].map((count) => count * HOUR));
  const MONDAY = 4 * DAY; // 5 January 1970
  const kept = new Map();

  function stretchAt(clock, atMs) {
    let found = clock[0];
    for (const stretch of clock) if (stretch[0] <= atMs) found = stretch;
    return found;
  }

  /* What the clock on the wall shows, as if it were UTC. */
  function wallMs(clock, atMs) {
    return atMs + stretchAt(clock, atMs)[1];
  }

  /* The time at which the wall shows it: the earlier of two; of an hour that is left out, as if it weren't. */
  function trueMs(clock, wall) {
    for (let index = 0; index < clock.length; index += 1) {
      const atMs = wall - clock[index][1];
      if (index + 1 === clock.length || atMs < clock[index + 1][0]) return Math.max(atMs, index ? clock[index][0] : atMs);
    }
    return wall;
  }

  function zoneName(clock, atMs) {
    return stretchAt(clock, atMs)[2];
  }

  // Words

  function format(options) {
    const key = JSON.stringify(options);
    if (!kept.has(key)) kept.set(key, new Intl.DateTimeFormat(undefined, { timeZone: "UTC", hourCycle: "h23", ...options }));
    return kept.get(key);
  }

  const MINUTES = { hour: "2-digit", minute: "2-digit" };
  const SECONDS = { ...MINUTES, second: "2-digit" };
  const SHORT_DAY = { weekday: "short", day: "numeric", month: "short" };
  const LONG_DAY = { ...SHORT_DAY, year: "numeric" };

  function time(wall, withSeconds) {
    return format(withSeconds ? SECONDS : MINUTES).format(wall);
  }

  function day(wall) {
    return format(SHORT_DAY).format(wall);
  }

  /* Sun 22 Nov 2026, 14:30:05 CET: nothing is left open. Milliseconds only where there are any. */
  function moment(clock, atMs) {
    const wall = wallMs(clock, atMs);
    const fraction = atMs % SECOND ? `.${String(((atMs % SECOND) + SECOND) % SECOND).padStart(3, "0")}` : "";
    return `${format(LONG_DAY).format(wall)}, ${time(wall, atMs % MINUTE !== 0)}${fraction} ${zoneName(clock, atMs)}`;
  }

  /* The same without the year, for tables of one span. */
  function brief(clock, atMs) {
    const wall = wallMs(clock, atMs);
    return `${day(wall)}, ${time(wall, atMs % MINUTE !== 0)}`;
  }

  /* 14:30 – 14:45 CET on a day, or two days. */
  function span(clock, startMs, endMs) {
    const [from, to] = [wallMs(clock, startMs), wallMs(clock, endMs)];
    const names = [zoneName(clock, startMs), zoneName(clock, endMs)];
    const fine = startMs % MINUTE !== 0 || endMs % MINUTE !== 0;
    const first = names[0] === names[1] ? "" : ` ${names[0]}`;
    const long = format(LONG_DAY);
    if (Math.floor(from / DAY) === Math.floor(to / DAY)) {
      return `${long.format(from)}, ${time(from, fine)}${first} – ${time(to, fine)} ${names[1]}`;
    }
    if (from % DAY === 0 && to - from === DAY) return `${long.format(from)} (${names.filter(isFirst).join(" / ")})`;
    return `${long.format(from)}, ${time(from, fine)}${first} – ${long.format(to)}, ${time(to, fine)} ${names[1]}`;
  }

  function isFirst(name, index, names) {
    return names.indexOf(name) === index;
  }

  // Ticks

  /* Ticks of a span, at most so many: {values, texts}, on the wall's round times. */
  function ticks(clock, startMs, endMs, most) {
    const step = STEPS.find((one) => (endMs - startMs) / one <= most);
    const walls = step ? clockTicks(clock, startMs, endMs, step) : calendarTicks(clock, startMs, endMs, most);
    return { values: walls.map(({ atMs }) => atMs), texts: step ? clockTexts(walls, step) : walls.map(({ text }) => text) };
  }

  function clockTicks(clock, startMs, endMs, step) {
    const found = [];
    clock.forEach(([fromMs, offsetMs, name], index) => {
      const from = index ? Math.max(fromMs, startMs) : startMs;
      const to = index + 1 < clock.length ? Math.min(clock[index + 1][0] - 1, endMs) : endMs;
      for (let wall = Math.ceil((from + offsetMs) / step) * step; wall - offsetMs <= to; wall += step) {
        found.push({ atMs: wall - offsetMs, wall, name });
      }
    });
    return found;
  }

  /* The day stands under the first tick of each; a time that comes twice is named by its zone. */
  function clockTexts(walls, step) {
    const counts = new Map();
    for (const { wall } of walls) counts.set(wall, (counts.get(wall) || 0) + 1);
    let shownDay = null;
    return walls.map(({ wall, name }) => {
      const text = time(wall, step < MINUTE) + (counts.get(wall) > 1 ? ` ${name}` : "");
      if (Math.floor(wall / DAY) === shownDay) return text;
      shownDay = Math.floor(wall / DAY);
      return `${text}<br>${day(wall)}`;
    });
  }

  function calendarTicks(clock, startMs, endMs, most) {
    const days = (endMs - startMs) / DAY;
    const dayStep = [1, 2, 7].find((count) => days / count <= most);
    if (dayStep) return dayTicks(clock, startMs, endMs, dayStep);
    const monthStep = [1, 2, 3, 6, 12, 24, 60, 120].find((count) => days / (30.4 * count) <= most) || 120;
    return monthTicks(clock, startMs, endMs, monthStep);
  }

  function dayTicks(clock, startMs, endMs, step) {
    const [from, to] = [wallMs(clock, startMs), wallMs(clock, endMs)];
    const found = [];
    let year = null;
    for (let wall = MONDAY + Math.ceil((from - MONDAY) / (step * DAY)) * step * DAY; wall <= to; wall += step * DAY) {
      const date = new Date(wall);
      const text = format(step === 7 ? { day: "numeric", month: "short" } : SHORT_DAY).format(wall);
      found.push({ atMs: trueMs(clock, wall), text: date.getUTCFullYear() === year ? text : `${text}<br>${date.getUTCFullYear()}` });
      year = date.getUTCFullYear();
    }
    return found;
  }

  function monthTicks(clock, startMs, endMs, step) {
    const first = new Date(wallMs(clock, startMs));
    const to = wallMs(clock, endMs);
    const found = [];
    let year = null;
    for (let month = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth()) / step) * step; ; month += step) {
      const wall = Date.UTC(Math.floor(month / 12), month % 12, 1);
      if (wall > to) return found;
      const isNewYear = Math.floor(month / 12) !== year;
      year = Math.floor(month / 12);
      const text = step >= 12 ? String(year) : format({ month: "short" }).format(wall) + (isNewYear ? `<br>${year}` : "");
      if (trueMs(clock, wall) >= startMs) found.push({ atMs: trueMs(clock, wall), text });
    }
  }

  /* What a date-time field takes: the wall's clock to the second. */
  function fieldOf(clock, atMs) {
    return new Date(wallMs(clock, atMs)).toISOString().slice(0, 19);
  }

  return { wallMs, trueMs, zoneName, time, day, moment, brief, span, ticks, fieldOf };
})();
