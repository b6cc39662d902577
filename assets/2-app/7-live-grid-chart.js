/* The chart of the picked points: grows by Plotly.extendTraces with each reading, one axis per unit, gaps as gaps.
   Trace 2i is point i where it is good, trace 2i+1 marks its suspect values. */
window.monitor = window.monitor || {};
window.monitor.liveChart = (() => {
  const MOST_POINTS = 2000; // of a trace
  const MOST_OF_ALL = 8000; // of all traces: a draw takes as long as there are points
  const ROOM = 0.9; // of that when a trace starts anew, so that it can grow for a while
  const REST = 12; // drawing takes a twelfth of the time at most
  const SLIDE_EVERY_MS = 5000; // when there is nothing new
  const GAP_PERIODS = 3;
  const SUSPECT = 2;
  const LABEL_PX = 15;
  const LABELS_PX = 132;
  const AXIS_PX = 46;
  const TICK_PX = 75;
  const PANEL_GAP = 0.06; // of the height, between small multiples
  const CONFIG = { displayModeBar: false, displaylogo: false, showSendToCloud: false, responsive: false };
  const { clock, dom, formats, latest, livePicks, plant } = monitor;

  const drawn = { graph: null, key: "", lastMs: new Map(), isLate: false, count: 0, atMs: 0, tookMs: 0 };
  let endListening = null;

  function start() {
    stop();
    endListening = plant.listen((id, atMs, value, quality, isNew) => {
      if (isNew && atMs < drawn.lastMs.get(id)) drawn.isLate = true;
    });
  }

  function stop() {
    if (endListening) endListening();
    if (drawn.graph) Plotly.purge(drawn.graph);
    Object.assign(drawn, { graph: null, key: "", lastMs: new Map(), isLate: false });
    endListening = null;
  }

  /* The picked points that the page knows: {row, ring, slot}. */
  function members() {
    return livePicks.ids
      .filter((id) => latest.rows.has(id) && plant.rings.has(id))
      .map((id) => ({ row: latest.rows.get(id), ring: plant.rings.get(id), slot: livePicks.slotOf(id) }));
  }

  /* Draw what has come since the last time; returns whether anything was. */
  function paint(graph) {
    const all = members();
    if (!graph || !graph.clientWidth || !graph.clientHeight || !all.length) return false;
    if (!monitor.plotly.isThere()) {
      monitor.plotly.ready().then(() => dom.text(graph, ""), (error) => dom.text(graph, error.message));
      return false;
    }
    const offsetMs = formats.zoneOffsetMs(clock.serverMs());
    const key = [livePicks.edition, latest.edition, monitor.theme.current(), offsetMs, graph.clientWidth, graph.clientHeight,
      all.length].join();
    if (graph !== drawn.graph || key !== drawn.key) return seed(graph, all, offsetMs, key);
    if (clock.steadyMs() - drawn.atMs < REST * drawn.tookMs) return false;
    return drawn.isLate ? seed(graph, all, offsetMs, key) : extend(graph, all, offsetMs);
  }

  /* The points that each of so many traces may have. */
  function mostOf(count) {
    return Math.min(MOST_POINTS, Math.floor(MOST_OF_ALL / count));
  }

  /* All that the rings hold, at once. */
  function seed(graph, all, offsetMs, key) {
    Object.assign(drawn, { graph, key, isLate: false });
    const look = lookNow();
    const axes = axesOf(all);
    const most = mostOf(all.length);
    const traces = all.flatMap((member, index) => tracesOf(member, axes[index], look, offsetMs, most));
    drawn.lastMs = new Map(all.map(({ row, ring }) => [row.pointId, ring.newestMs() ?? -Infinity]));
    return draw(() => Plotly.newPlot(graph, traces, layoutOf(graph, all, axes, look, offsetMs), CONFIG), graph, all, axes);
  }

  function draw(how, graph, all, axes) {
    const startMs = clock.steadyMs();
    drawn.count += 1;
    how().then(() => { if (drawn.graph === graph) paintLabels(graph, all, axes); });
    drawn.atMs = clock.steadyMs();
    drawn.tookMs = drawn.atMs - startMs;
    return true;
  }

  function lookNow() {
    return JSON.parse(document.getElementById("live").dataset.looks)[monitor.theme.current()];
  }

  /* The readings after the last ones drawn, as two lines each. */
  function extend(graph, all, offsetMs) {
    const update = { x: [], y: [] };
    const traces = [];
    all.forEach(({ row, ring }, index) => {
      const from = ring.indexAt(drawn.lastMs.get(row.pointId)) + 1;
      if (from >= ring.times.length) return;
      const { good, suspect } = linesOf(ring, row.periodMs, from, offsetMs);
      traces.push(2 * index, 2 * index + 1);
      update.x.push(good.x, suspect.x);
      update.y.push(good.y, suspect.y);
      drawn.lastMs.set(row.pointId, ring.newestMs());
    });
    const most = mostOf(all.length);
    if (traces.some((trace, index) => graph.data[trace].x.length + update.x[index].length > most)) {
      return seed(graph, all, offsetMs, drawn.key); // thinned anew
    }
    if (!traces.length && clock.steadyMs() - drawn.atMs < SLIDE_EVERY_MS) return false;
    const axes = axesOf(all);
    setWindow(graph.layout, offsetMs);
    return draw(() => (traces.length ? Plotly.extendTraces(graph, update, traces) : Plotly.redraw(graph)), graph, all, axes);
  }

  /* A ring from an index on, in the site's wall clock: the good values with nulls where they break off, and the suspect
     ones by themselves. */
  function linesOf(ring, periodMs, from, offsetMs) {
    const good = { x: [], y: [] };
    const suspect = { x: [], y: [] };
    for (let index = from; index < ring.times.length; index += 1) {
      const atMs = ring.times[index];
      if (index > 0 && atMs - ring.times[index - 1] > GAP_PERIODS * periodMs) {
        put(good, ring.times[index - 1] + 1 + offsetMs, null);
      }
      const isSuspect = ring.qualities[index] === SUSPECT;
      put(good, atMs + offsetMs, ring.qualities[index] === 0 ? ring.values[index] : null);
      if (isSuspect && ring.values[index] !== null) put(suspect, atMs + offsetMs, ring.values[index]);
    }
    return { good, suspect };
  }

  function put(line, x, y) {
    line.x.push(x);
    line.y.push(y);
  }

  /* What a line of more points can show: the least, the greatest and the first gap of each span. */
  function thin({ x, y }, most) {
    if (x.length <= most * ROOM) return { x, y };
    const spanMs = ((x[x.length - 1] - x[0]) * 3) / (most * ROOM) + 1;
    const thinned = { x: [], y: [] };
    let from = 0;
    for (let index = 1; index <= x.length; index += 1) {
      if (index < x.length && Math.floor(x[index] / spanMs) === Math.floor(x[from] / spanMs)) continue;
      for (const kept of extremes(y, from, index)) put(thinned, x[kept], y[kept]);
      from = index;
    }
    return thinned;
  }

  function extremes(y, from, to) {
    let [low, high, hole] = [-1, -1, -1];
    for (let index = from; index < to; index += 1) {
      if (y[index] === null) hole = hole < 0 ? index : hole;
      else {
        if (low < 0 || y[index] < y[low]) low = index;
        if (high < 0 || y[index] >= y[high]) high = index;
      }
    }
    return [...new Set([low, high, hole])].filter((index) => index >= 0).sort((a, b) => a - b);
  }

  // Axes: one unit has one, two units share a plot with an axis on either side, more get a plot each, one below another

  function unitsOf(all) {
    return [...new Set(all.map(({ row }) => row.unit))];
  }

  /* For each point the index of its axis. */
  function axesOf(all) {
    const units = unitsOf(all);
    return all.map(({ row }) => units.indexOf(row.unit));
  }

  function axisName(index) {
    return index ? `yaxis${index + 1}` : "yaxis";
  }

  function tracesOf({ row, ring, slot }, axis, look, offsetMs, most) {
    const { good, suspect } = linesOf(ring, row.periodMs, 0, offsetMs);
    const line = look.lines[slot % look.lines.length];
    const digits = row.digits === null ? 2 : row.digits;
    const shared = { type: "scatter", yaxis: axis ? `y${axis + 1}` : "y", name: row.point, meta: row.pointId };
    const hover = `%{y:,.${digits}f} ${row.unit}`;
    return [
      {
        ...shared, ...thin(good, most), mode: "lines", connectgaps: false, hovertemplate: hover,
        line: { color: line.color, dash: line.dash, width: 1.8, shape: row.kind === "state" ? "hv" : "linear" },
      },
      {
        ...shared, x: suspect.x.slice(-most * ROOM), y: suspect.y.slice(-most * ROOM), mode: "markers",
        name: `${row.point}, suspect`, hovertemplate: `${hover}, suspect`,
        marker: { symbol: "diamond-open", size: 8, color: colour("--m-low-text"), line: { width: 1.5 } },
      },
    ];
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function layoutOf(graph, all, axes, look, offsetMs) {
    const units = unitsOf(all);
    const isPair = units.length === 2;
    const layout = {
      template: look.template,
      separators: formats.separators(),
      uirevision: "keep",
      dragmode: false,
      margin: { l: AXIS_PX, r: LABELS_PX + (isPair ? AXIS_PX : 0), t: 20, b: 26 },
      xaxis: {
        type: "date", tickformat: "%H:%M", hoverformat: "%H:%M:%S", fixedrange: true, tickangle: 0,
        nticks: Math.max(3, Math.floor((graph.clientWidth - LABELS_PX) / TICK_PX)),
        anchor: units.length > 2 ? `y${units.length}` : "y",
      },
      annotations: units.map((unit, index) => unitWords(unit, index, units.length)),
    };
    units.forEach((unit, index) => { layout[axisName(index)] = axisOf(index, units.length); });
    setWindow(layout, offsetMs);
    return layout;
  }

  function axisOf(index, count) {
    const axis = { fixedrange: true, nticks: count > 2 ? 4 : 5, tickmode: "auto", automargin: false };
    if (count === 2 && index === 1) return { ...axis, overlaying: "y", side: "right", showgrid: false };
    return count > 2 ? { ...axis, domain: domainOf(index, count) } : axis;
  }

  function domainOf(index, count) {
    const height = (1 - PANEL_GAP * (count - 1)) / count;
    const top = 1 - index * (height + PANEL_GAP);
    return [Math.max(0, top - height), top];
  }

  /* The unit stands at the upper end of its axis. */
  function unitWords(unit, index, count) {
    const isRight = count === 2 && index === 1;
    return {
      text: unit || "no unit", showarrow: false, xref: "paper", yref: "paper", font: { size: 11.5 },
      x: isRight ? 1 : 0, xanchor: isRight ? "left" : "right", xshift: isRight ? 6 : -6,
      y: count > 2 ? domainOf(index, count)[1] : 1, yanchor: "bottom", yshift: count > 2 ? -4 : 4,
    };
  }

  function setWindow(layout, offsetMs) {
    const endMs = clock.serverMs() + offsetMs;
    Object.assign(layout.xaxis, { range: [endMs - plant.WINDOW_MS, endMs], autorange: false });
  }

  // The names at the ends of the lines

  function paintLabels(graph, all, axes) {
    const box = graph.parentElement.querySelector('[data-part="labels"]');
    const named = namesOf(all, axes);
    const labels = all.map((member, index) => labelOf(graph, member, axes[index], named[index]));
    spread(labels, 10, graph.clientHeight - 26);
    box.replaceChildren(...labels.map(labelElement));
  }

  /* For each point the shortest name that tells it from the others of its axis; with its unit where two share a plot. */
  function namesOf(all, axes) {
    const isPair = unitsOf(all).length === 2;
    return all.map((member, index) => {
      const name = shortest(all.filter((_, other) => axes[other] === axes[index]))(member);
      return isPair && member.row.unit ? `${name} · ${member.row.unit}` : name;
    });
  }

  /* The first of these forms that gives all of them different names. */
  function shortest(all) {
    const forms = [({ row }) => row.point, ({ row }) => row.device, ({ row }) => `${row.device} ${row.point}`,
      ({ row }) => `${row.gateway} ${row.device} ${row.point}`];
    return forms.find((form) => new Set(all.map(form)).size === all.length) || forms[3];
  }

  function labelOf(graph, { row, ring, slot }, axisIndex, name) {
    const axis = graph._fullLayout[axisName(axisIndex)];
    const last = lastKnown(ring);
    const y = axis._offset + (last === null ? axis._length : axis.l2p(last));
    return { name, slot, y, isNow: latest.freshnessOf(row, clock.serverMs()) !== "stale" };
  }

  function lastKnown(ring) {
    const index = ring.values.findLastIndex((value, place) => value !== null && ring.qualities[place] === 0);
    return index < 0 ? null : ring.values[index];
  }

  /* Push labels apart so that none covers another, and keep them inside. */
  function spread(labels, top, bottom) {
    const sorted = [...labels].sort((a, b) => a.y - b.y);
    let free = top;
    for (const label of sorted) {
      label.y = Math.max(label.y, free);
      free = label.y + LABEL_PX;
    }
    let limit = bottom;
    for (const label of sorted.reverse()) {
      label.y = Math.min(label.y, limit);
      limit = label.y - LABEL_PX;
    }
  }

  function labelElement({ name, slot, y, isNow }) {
    const element = document.createElement("span");
    element.className = "m-chart-label m-live-end";
    element.dataset.slot = slot;
    element.dataset.now = isNow;
    element.style.top = `${y.toFixed(1)}px`;
    element.title = name;
    element.append(Object.assign(document.createElement("span"), { textContent: name }));
    return element;
  }

  /* The chart's newest values as a table: each point's value in force at the newest times. */
  function table() {
    const all = members();
    const times = [...new Set(all.flatMap(({ ring }) => ring.times.slice(-15)))].sort((a, b) => b - a).slice(0, 15);
    const cell = ({ row, ring }, atMs) => {
      const value = ring.valueAt(atMs, GAP_PERIODS * row.periodMs);
      return value === null ? null : { value, unit: row.unit, digits: row.digits ?? formats.digitsOf(value) };
    };
    return {
      columns: ["Time", ...all.map(({ row }) => `${row.device} · ${row.point}`)],
      rows: times.map((atMs) => [formats.time(atMs), ...all.map((member) => cell(member, atMs))]),
      empty: "No reading of these points yet.",
    };
  }

  return { start, stop, paint, table, thin, linesOf, drawn };
})();
