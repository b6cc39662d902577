/* The one way to write numbers, times and ages: in the browser's locale, in the site's time zone. */
window.monitor = window.monitor || {};
window.monitor.formats = (() => {
  const NO_VALUE = "—";
  const NAMED_ZONE_LOCALES = [undefined, "en-GB", "en-US", "en-AU"]; // a locale knows short names of near zones only
  const kept = new Map();
  let timeZone = "UTC";

  function useTimeZone(name) {
    timeZone = name;
    kept.clear();
  }

  function keep(key, make) {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  }

  function number(value, digits) {
    if (value === null || value === undefined || !Number.isFinite(value)) return NO_VALUE;
    const format = keep(`number ${digits}`, () =>
      new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
    return format.format(value).replace(/^-/, "−");
  }

  /* The locale's decimal and thousands marks, as Plotly takes them. */
  function separators() {
    const parts = new Intl.NumberFormat().formatToParts(1234567.8);
    const mark = (type) => (parts.find((part) => part.type === type) || { value: "" }).value;
    return mark("decimal") + mark("group");
  }

  /* An amount as the server sends it: {value, unit, digits}. */
  function amount({ value, unit, digits }) {
    const text = number(value, digits);
    return unit ? `${text} ${unit}` : text;
  }

  /* Watts as an amount in kW with a resolution that suits its size. */
  function power(powerW) {
    const value = powerW === null ? null : powerW / 1000;
    return { value, unit: "kW", digits: digitsOf(value) };
  }

  /* Decimals that suit a value's size. */
  function digitsOf(value) {
    const size = Math.abs(value || 0);
    return size >= 1000 ? 0 : size < 10 && size > 0 ? 2 : 1;
  }

  /* A span in the words of the plant floor: 48 s, 2 min 14 s, 12 min, 3 h 5 min, 2 d 4 h. */
  function span(spanMs) {
    const seconds = Math.max(0, Math.floor(spanMs / 1000));
    if (seconds < 60) return `${seconds} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 10) return two(minutes, "min", seconds % 60, "s");
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 24) return two(hours, "h", minutes % 60, "min");
    return two(Math.floor(hours / 24), "d", hours % 24, "h");
  }

  function two(large, largeUnit, small, smallUnit) {
    return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
  }

  /* 18:42:31, in the site's zone. */
  function time(atMs) {
    const format = keep("time", () =>
      new Intl.DateTimeFormat(undefined,
        { timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }));
    return format.format(atMs);
  }

  function date(atMs) {
    const format = keep("date", () =>
      new Intl.DateTimeFormat(undefined, { timeZone, weekday: "short", day: "numeric", month: "short", year: "numeric" }));
    return format.format(atMs);
  }

  /* The time alone when it is of the same day as now, else with its day. */
  function moment(atMs, nowMs) {
    if (date(atMs) === date(nowMs)) return time(atMs);
    const day = keep("day", () => new Intl.DateTimeFormat(undefined, { timeZone, day: "numeric", month: "short" }));
    return `${day.format(atMs)} ${time(atMs)}`;
  }

  /* The zone's short name at a time: CET, or GMT+1 when no locale has a name for it. */
  function zone(atMs) {
    const names = NAMED_ZONE_LOCALES.map((locale) => zoneName(locale, atMs));
    return names.find((name) => !/^(GMT|UTC)[+-]/.test(name)) || names[0];
  }

  function zoneName(locale, atMs) {
    const format = keep(`zone ${locale}`, () => new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: "short" }));
    return format.formatToParts(atMs).find((part) => part.type === "timeZoneName").value;
  }

  /* Milliseconds to add to a UTC time to get the site's wall clock: Plotly's axes know no zones. */
  function zoneOffsetMs(atMs) {
    const format = keep("offset", () =>
      new Intl.DateTimeFormat("en-US", {
        timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
        hour: "numeric", minute: "numeric", second: "numeric",
      }));
    const part = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
    const wall = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
    return wall - Math.floor(atMs / 1000) * 1000;
  }

  return { NO_VALUE, useTimeZone, number, separators, amount, digitsOf, power, span, time, date, moment, zone, zoneOffsetMs };
})();
