/* The reading line of the chart: by mouse, finger or arrow keys; what every point was at that time, in words. */
window.monitor = window.monitor || {};
window.monitor.historyCursor = (() => {
  const REACH_PX = 14; // a reading further away than this is not the one that is meant
  const BOX_GAP_PX = 14;
  const LEAP = 10;
  const SPEAK_AFTER_MS = 400;
  const { clock, dom, formats, historyChart: chart, historyState: state, historyTime, historyTraces, historyWords: words } = monitor;

  let atMs = null;
  let speaking = null;

  /* The sample of a track that is meant by a time: the bucket around it, or the nearest reading; -1: none. */
  function sampleAt(track, time) {
    const { times, widths } = track;
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time) low = middle + 1;
      else high = middle;
    }
    const before = low - 1;
    if (!track.is_raw) return before >= 0 && time < times[before] + widths[before] ? before : -1;
    const nearest = before < 0 || (low < times.length && times[low] - time < time - times[before]) ? low : before;
    return nearest < times.length && Math.abs(chart.xOf(times[nearest]) - chart.xOf(time)) <= REACH_PX ? nearest : -1;
  }

  /* Put the line at a time, on the sample that is nearest to it. */
  function put(time) {
    if (!chart.drawn.plot || !state.answer || state.answer.problem) return;
    const near = centres(time);
    atMs = near.length ? near.reduce((best, one) => (Math.abs(one - time) < Math.abs(best - time) ? one : best)) : time;
    paint();
  }

  function centres(time) {
    return Object.values(state.answer.tracks)
      .map((track) => [track, sampleAt(track, time)])
      .filter(([, index]) => index >= 0)
      .map(([track, index]) => historyTraces.xOf(track, index));
  }

  function hide() {
    atMs = null;
    paint();
  }

  function paint() {
    const place = chart.box();
    if (!place || !state.answer || state.answer.problem) return;
    const [line, readout] = [dom.part(place, "cursor"), dom.part(place, "readout")];
    const isSeen = atMs !== null && chart.drawn.plot && chart.drawn.plot.layout;
    line.hidden = readout.hidden = !isSeen;
    if (!isSeen) return;
    const x = chart.xOf(atMs);
    const { left, width, top, height } = chart.area();
    Object.assign(line.style, { left: `${x}px`, top: `${top}px`, height: `${height}px` });
    readout.replaceChildren(...readoutOf(state.answer));
    const isRight = x > left + width / 2;
    readout.style.left = isRight ? "auto" : `${x + BOX_GAP_PX}px`;
    readout.style.right = isRight ? `${place.clientWidth - x + BOX_GAP_PX}px` : "auto";
    readout.style.top = `${top + 4}px`;
  }

  // What is read

  function readoutOf(answer) {
    const theme = answer.looks[monitor.theme.current()];
    const rows = answer.points.map((point) => rowOf(answer, point, theme.points[point.look].line));
    const heading = words.make("p", headingOf(answer), "m-history-when m-figures");
    const notes = answer.annotations.filter((note) => isUnder(note)).map((note) => words.make("p", `${note.text} (${note.author})`, "m-history-note-words"));
    return [heading, ...rows, ...notes];
  }

  /* The bucket's span where all share it, else the moment. */
  function headingOf(answer) {
    const spans = answer.points
      .map((point) => [answer.tracks[point.id], sampleAt(answer.tracks[point.id], atMs)])
      .filter(([, index]) => index >= 0)
      .map(([track, index]) => words.when(answer, track, index));
    return spans.length && spans.every((one) => one === spans[0]) ? spans[0] : historyTime.moment(answer.clock, Math.round(atMs));
  }

  function isUnder(note) {
    const reach = Math.abs(chart.timeAt(REACH_PX) - chart.timeAt(0));
    return atMs >= note.start_ms - reach && atMs <= (note.end_ms === null ? note.start_ms : note.end_ms) + reach;
  }

  function rowOf(answer, point, colour) {
    const row = words.make("div", null, "m-history-row");
    row.style.setProperty("--m-swatch", colour);
    const track = answer.tracks[point.id];
    const index = sampleAt(track, atMs);
    row.append(words.make("span", words.name(point), "m-history-name"));
    const { main, detail } = index < 0 ? nothingAt(track) : sampleWords(track, point, index);
    row.append(words.make("b", main, "m-figures"), words.make("small", detail, "m-figures"));
    const earlier = earlierWords(answer, point, index);
    if (earlier) row.append(words.make("small", earlier, "m-figures"));
    return row;
  }

  function nothingAt(track) {
    const gap = track.gaps.find(([start, end]) => start <= atMs && atMs <= end);
    return { main: formats.NO_VALUE, detail: gap ? gap[2] : "no reading at this time" };
  }

  function sampleWords(track, point, index) {
    const quality = words.quality(track, index);
    if (track.is_raw) return { main: words.withUnit(words.full(track.values[index]), point.unit), detail: `raw reading, ${quality}` };
    if (track.values[index] === null) return { main: formats.NO_VALUE, detail: quality };
    const count = words.plural(track.counts[index], "reading");
    const [least, greatest] = [track.least, track.greatest].map((side) => formats.number(side[index], words.digits(track)));
    const band = `${least} … ${greatest}`;
    return { main: words.value(track, point, track.values[index]), detail: `${band} · ${count}, ${quality}` };
  }

  /* What it was in the period that it is compared with, and by how much it differs. */
  function earlierWords(answer, point, index) {
    const earlier = answer.compared && answer.compared.tracks[point.id];
    if (!earlier) return "";
    const there = sampleAt(earlier, atMs);
    const value = there < 0 ? null : earlier.values[there];
    if (value === null) return `${answer.compared.words}: ${formats.NO_VALUE}`;
    const track = answer.tracks[point.id];
    const now = index < 0 ? null : track.values[index];
    const share = now !== null && value !== 0 ? ` (${now >= value ? "+" : "−"}${formats.number(Math.abs(now / value - 1) * 100, 1)} %)` : "";
    return `${answer.compared.words}: ${words.value(track, point, value)}${share}`;
  }

  /* Said once the line rests. */
  function speak() {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      const readout = dom.part(chart.box(), "readout");
      const lines = [...readout.children].map((one) => [...one.childNodes].map((part) => part.textContent).join(" "));
      if (!readout.hidden) dom.text(document.getElementById("history-spoken"), lines.join("; "));
    }, SPEAK_AFTER_MS * clock.scale);
  }

  // Mouse, finger, keys

  function isInside(event) {
    const place = chart.box();
    return place && state.answer && !state.answer.problem && chart.drawn.plot && place.contains(event.target) && !event.target.closest(".m-history-flag");
  }

  document.addEventListener("pointermove", (event) => {
    if (event.buttons) return;
    if (isInside(event)) follow(event);
    else if (atMs !== null && event.pointerType === "mouse" && document.activeElement !== chart.box()) hide();
  });

  document.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" && isInside(event)) follow(event);
  });

  function follow(event) {
    const { left, width } = chart.area();
    const x = event.clientX - chart.box().getBoundingClientRect().left;
    if (x >= left && x <= left + width) put(chart.timeAt(x));
    else hide();
  }

  const KEYS = {
    ArrowLeft: (event) => step(event.shiftKey ? -LEAP : -1),
    ArrowRight: (event) => step(event.shiftKey ? LEAP : 1),
    Home: () => put(chart.range()[0]),
    End: () => put(chart.range()[1]),
    PageUp: () => chart.move(-0.5),
    PageDown: () => chart.move(0.5),
    "+": () => chart.zoom(0.5, atMs),
    "=": () => chart.zoom(0.5, atMs),
    "-": () => chart.zoom(2, atMs),
    Escape: hide,
  };

  document.addEventListener("keydown", (event) => {
    const action = KEYS[event.key];
    if (!action || document.activeElement !== chart.box() || event.ctrlKey || event.metaKey || event.altKey || !state.answer) return;
    if (state.answer.problem) return;
    event.preventDefault();
    action(event);
    speak();
  });

  /* The next sample of any line to the left or right. */
  function step(count) {
    const all = Object.values(state.answer.tracks).flatMap((track) => track.times.map((_, index) => historyTraces.xOf(track, index)));
    const [start, end] = chart.range();
    const times = [...new Set(all)].filter((one) => one >= start && one <= end).sort((a, b) => a - b);
    if (!times.length) return;
    const from = atMs === null ? (count > 0 ? -1 : times.length) : times.findIndex((one) => one >= atMs);
    const next = from < 0 && atMs !== null ? times.length - 1 : from + count;
    atMs = times[Math.min(times.length - 1, Math.max(0, next))];
    paint();
  }

  addEventListener("monitor:history-drawn", paint);
  return { put, hide, at: () => atMs, sampleAt };
})();
