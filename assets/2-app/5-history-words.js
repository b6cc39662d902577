/* How values, qualities and samples of the page History are written. */
window.monitor = window.monitor || {};
window.monitor.historyWords = (() => {
  const QUALITIES = ["good", "no value", "suspect"];
  const SHOWN_STEPS = 2000; // of the span of the values: finer differences can't be seen
  const MOST_DIGITS = 3;
  const { formats, historyTime } = monitor;
  const exact = new Intl.NumberFormat(undefined, { maximumFractionDigits: 4 });
  const small = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });

  function make(kind, text = null, className = "") {
    const element = document.createElement(kind);
    if (text !== null) element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  function button(text, label, action, className = "m-button") {
    const element = make("button", text, className);
    element.type = "button";
    if (label) {
      element.setAttribute("aria-label", label);
      element.title = label;
    }
    element.addEventListener("click", action);
    return element;
  }

  /* As it was read, but for what a single-precision number has behind its digits. */
  function full(value) {
    if (value === null || value === undefined) return formats.NO_VALUE;
    return (value !== 0 && Math.abs(value) < 0.1 ? small : exact).format(value).replace(/^-/, "−");
  }

  /* Decimals that suit what is seen of a point. */
  function digits(track) {
    const { minimum, maximum } = track.statistics;
    if (minimum === null || maximum === null) return 1;
    const size = maximum > minimum ? (maximum - minimum) / SHOWN_STEPS : Math.abs(maximum) / SHOWN_STEPS;
    return size > 0 ? Math.min(MOST_DIGITS, Math.max(0, Math.floor(-Math.log10(size)))) : 0;
  }

  function withUnit(text, unit) {
    return unit ? `${text} ${unit}` : text;
  }

  function value(track, point, one, more = 0) {
    return one === null ? formats.NO_VALUE : withUnit(formats.number(one, digits(track) + more), point.unit);
  }

  function name(point) {
    return `${point.gateway} · ${point.device} · ${point.label}`;
  }

  function quality(track, index) {
    if (track.is_raw) return QUALITIES[track.quality[index]] || "unknown";
    if (!track.counts[index]) return "no good reading";
    return track.bad[index] ? `${plural(track.bad[index], "bad reading")}` : "good";
  }

  function plural(count, word) {
    return `${formats.number(count, 0)} ${word}${count === 1 ? "" : "s"}`;
  }

  /* The time of a sample: a reading's moment, or the span of a bucket. */
  function when(answer, track, index) {
    const atMs = track.times[index];
    return track.is_raw ? historyTime.moment(answer.clock, atMs)
      : historyTime.span(answer.clock, atMs, atMs + track.widths[index]);
  }

  return { make, button, full, digits, value, withUnit, name, quality, plural, when };
})();
