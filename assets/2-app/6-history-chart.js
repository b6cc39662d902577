/* The chart of the page History: draws the answer, names the lines at their ends, and asks for another span by mouse,
   buttons and keys. While a finer picture is on its way the old one stays. */
window.monitor = window.monitor || {};
window.monitor.historyChart = (() => {
  const LABEL_HEIGHT_PX = 15;
  const LABELS_FROM_PX = 620; // on a narrower chart the chips above it name the lines
  const WIDE_FROM_PX = 900;
  const SHORT_LABELS_PX = 128;
  const TICK_PX = 92;
  const FLAG_PX = 24;
  const SHORTEST_MS = 2000;
  const LONGEST_MS = 20 * 366 * 86400000;
  const CONFIG = { displayModeBar: false, displaylogo: false, showSendToCloud: false, doubleClick: false, responsive: false };
  const { dom, formats, historyState: state, historyTime, historyTraces, historyWords: words } = monitor;

  const drawn = { plot: null, edition: 0, theme: "", width: 0, count: 0 };

  function box() {
    return document.getElementById("history-chart");
  }

  /* The answer's picture, anew when the answer, the theme or the room has changed. */
  function paint() {
    const place = box();
    if (!place || !state.answer || state.answer.problem || !place.offsetParent) return;
    if (!monitor.plotly.isThere()) {
      monitor.plotly.ready().then(paint, ({ message }) => state.complaint === message || state.complain(message));
      return;
    }
    const plot = place.querySelector(".m-history-plot") || newPlot(place);
    const theme = monitor.theme.current();
    const width = place.clientWidth;
    if (plot === drawn.plot && drawn.edition === state.edition && drawn.theme === theme && drawn.width === width) return;
    Object.assign(drawn, { plot, edition: state.edition, theme, width });
    draw(plot, state.answer, theme, width);
  }

  function newPlot(place) {
    const plot = words.make("div", null, "m-history-plot");
    place.prepend(plot);
    watcher.disconnect();
    watcher.observe(place);
    return plot;
  }

  function draw(plot, answer, theme, width) {
    const isNew = !plot.data;
    const layout = layoutOf(answer, theme, width);
    const plotWidth = width - layout.margin.l - layout.margin.r;
    const { data, shapes } = historyTraces.build(answer, theme, plotWidth / (answer.end_ms - answer.start_ms));
    layout.shapes = shapes;
    box().style.setProperty("--m-plot-height", `${layout.height}px`);
    Plotly.react(plot, data, layout, CONFIG).then(() => {
      if (isNew) listen(plot);
      drawn.count += 1;
      paintLabels(plot, answer, theme);
      paintFlags(plot, answer);
      dispatchEvent(new Event("monitor:history-drawn"));
    });
  }

  function layoutOf(answer, theme, width) {
    const layout = structuredClone(answer.layout);
    const isNarrow = width < LABELS_FROM_PX;
    layout.template = answer.looks[theme].template;
    layout.separators = formats.separators();
    layout.width = width;
    if (width < WIDE_FROM_PX) layout.margin.r = isNarrow ? 12 : SHORT_LABELS_PX;
    layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    const most = Math.max(2, Math.floor((width - layout.margin.l - layout.margin.r) / TICK_PX));
    const ticks = historyTime.ticks(answer.clock, answer.start_ms, answer.end_ms, most);
    Object.assign(layout.xaxis, { range: [answer.start_ms, answer.end_ms], tickvals: ticks.values, ticktext: ticks.texts });
    layout.annotations = panelTitles(answer, layout);
    answer.panels.forEach((panel, index) => {
      if (isEmpty(answer, panel)) Object.assign(axisOf(layout, index), { showticklabels: false, showgrid: false });
    });
    return layout;
  }

  /* Without a value an axis has nothing to say. */
  function isEmpty(answer, panel) {
    return panel.points.every((id) => answer.tracks[id].values.every((value) => value === null));
  }

  /* Above each panel of a single point: its name. */
  function panelTitles(answer, layout) {
    return answer.panels.map((panel, index) => ({
      text: panel.title, xref: "paper", yref: "paper", x: 0, y: axisOf(layout, index).domain[1], xanchor: "left", yanchor: "bottom",
      showarrow: false, font: { size: 11.5 },
    })).filter((title) => title.text);
  }

  function axisOf(layout, index) {
    return layout[index === 0 ? "yaxis" : `yaxis${index + 1}`];
  }

  // Where things lie

  /* {left, width, top, height} of the plot area within the chart's box. */
  function area() {
    const { margin, height } = drawn.plot.layout;
    return {
      left: margin.l, width: drawn.width - margin.l - margin.r, top: margin.t, height: height - margin.t - margin.b,
    };
  }

  /* The span that is seen: while it is dragged, another than that of the answer. */
  function range() {
    return drawn.plot && drawn.plot.layout.xaxis ? drawn.plot.layout.xaxis.range.map(Number) : [state.answer.start_ms, state.answer.end_ms];
  }

  function xOf(atMs) {
    const [start, end] = range();
    const { left, width } = area();
    return left + ((atMs - start) / (end - start)) * width;
  }

  function timeAt(xPx) {
    const [start, end] = range();
    const { left, width } = area();
    return start + ((xPx - left) / width) * (end - start);
  }

  // The names at the lines' ends

  function paintLabels(plot, answer, theme) {
    const place = dom.part(box(), "labels");
    place.style.width = `${plot.layout.margin.r - 6}px`;
    if (drawn.width < LABELS_FROM_PX) {
      place.replaceChildren();
      return;
    }
    const { top, height } = area();
    const labels = answer.panels.flatMap((panel, index) => {
      const axis = axisOf(plot.layout, index);
      const [low, high] = axis.domain.map((share) => top + height * (1 - share));
      const found = panel.points.map((id) => labelOf(answer, theme, panel, id, axis, [high, low])).filter((label) => label !== null);
      spread(found, high, low);
      return found;
    });
    place.replaceChildren(...labels.map(elementOf));
  }

  function labelOf(answer, theme, panel, id, axis, [topPx, bottomPx]) {
    const point = answer.points.find((one) => one.id === id);
    const track = answer.tracks[id];
    const last = track.values.findLastIndex((value) => value !== null);
    if (last < 0) return null;
    const [low, high] = axis.range;
    const share = (track.values[last] - low) / (high - low);
    const colour = answer.looks[theme].points[point.look].line;
    return {
      point, name: shortName(answer, panel, point), text: formats.number(track.values[last], words.digits(track)),
      y: bottomPx - share * (bottomPx - topPx), colour,
    };
  }

  /* Push labels apart so that none covers another, and keep them inside. */
  function spread(labels, top, bottom) {
    const sorted = [...labels].sort((a, b) => a.y - b.y);
    let free = top + LABEL_HEIGHT_PX / 2;
    for (const label of sorted) {
      label.y = Math.max(label.y, free);
      free = label.y + LABEL_HEIGHT_PX;
    }
    let limit = bottom - LABEL_HEIGHT_PX / 2;
    for (const label of sorted.reverse()) {
      label.y = Math.min(label.y, limit);
      limit = label.y - LABEL_HEIGHT_PX;
    }
  }

  function elementOf({ point, name, text, y, colour }) {
    const element = words.make("span", null, "m-chart-label");
    element.append(words.make("span", name), words.make("b", text));
    element.style.top = `${y}px`;
    element.style.setProperty("--m-swatch", colour);
    element.title = words.name(point);
    return element;
  }

  /* As little of a name as tells the points of a panel apart. */
  function shortName(answer, panel, point) {
    const points = answer.points.filter((one) => panel.points.includes(one.id));
    const ways = [(one) => one.label, (one) => one.device, (one) => one.gateway, (one) => `${one.gateway} · ${one.device}`];
    const telling = ways.find((way) => new Set(points.map(way)).size === points.length);
    return telling ? telling(point) : words.name(point);
  }

  // The notes' flags

  function paintFlags(plot, answer) {
    const place = dom.part(box(), "flags");
    const { left, width } = area();
    let free = -Infinity;
    const flags = answer.annotations.map((note, index) => {
      const x = xOf(Math.max(note.start_ms, answer.start_ms));
      const at = Math.min(Math.max(x, free), left + width - FLAG_PX / 2);
      free = at + FLAG_PX + 2;
      const flag = words.button(String(index + 1), `Note ${index + 1}: ${note.text}`, () => monitor.historyNotes.show(note.id), "m-history-flag");
      flag.style.left = `${at}px`;
      return flag;
    });
    place.replaceChildren(...flags);
  }

  // Another span

  function listen(plot) {
    plot.on("plotly_relayout", (changed) => {
      if (changed["xaxis.range[0]"] !== undefined) show(changed["xaxis.range[0]"], changed["xaxis.range[1]"]);
    });
    plot.on("plotly_doubleclick", () => zoom(2));
  }

  /* Ask for a span; what is there of it is shown at once. */
  function show(startMs, endMs) {
    const middle = (Number(startMs) + Number(endMs)) / 2;
    const length = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, endMs - startMs));
    const [start, end] = [Math.round(middle - length / 2), Math.round(middle + length / 2)];
    if (drawn.plot) {
      drawn.plot.layout.xaxis.range = [start, end];
      Plotly.relayout(drawn.plot, { "xaxis.range": [start, end] });
    }
    state.span(start, end);
  }

  /* factor: above 1 shows more. aboutMs: what stays where it is. */
  function zoom(factor, aboutMs = null) {
    if (!state.answer) return;
    const [start, end] = range();
    const about = aboutMs === null ? (start + end) / 2 : aboutMs;
    show(about - (about - start) * factor, about + (end - about) * factor);
  }

  /* share: of the span; below 0 is earlier. */
  function move(share) {
    if (!state.answer) return;
    const [start, end] = range();
    show(start + share * (end - start), end + share * (end - start));
  }

  /* The room changes with the window, with the scroll bar and with the page that is shown. */
  const watcher = new ResizeObserver(() => requestAnimationFrame(paint));

  addEventListener("monitor:theme", paint);
  return { box, paint, area, range, xOf, timeAt, zoom, move, show, drawn };
})();
