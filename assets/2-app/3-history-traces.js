/* From tracks to what Plotly draws: a line and a band for each point, hollow marks, hatched gaps, the time before. */
window.monitor = window.monitor || {};
window.monitor.historyTraces = (() => {
  const SUSPECT = 2;
  const LINE_PX = 1.6;
  const DOT_PX = 4;
  const HOLLOW_PX = 9;
  const MOST_MARKED = 200; // readings of a line: fewer are marked one by one
  const LANE = 0.045; // of a panel's height, for the gaps of one point among several
  const NARROWEST_GAP_PX = 1.5;

  /* All traces of an answer, as {data, shapes}. pxPerMs: so that no gap gets too thin to be seen. */
  function build(answer, theme, pxPerMs) {
    const look = answer.looks[theme];
    const data = [];
    answer.panels.forEach((panel, index) => {
      const points = panel.points.map((id) => answer.points.find((point) => point.id === id));
      for (const point of points) data.push(...gapTraces(answer, points, point, index, look, pxPerMs));
      for (const point of points) data.push(...pointTraces(answer, point, index, look));
    });
    return { data, shapes: answer.annotations.map((note) => noteShape(note, answer, look)).flat() };
  }

  function axisName(index) {
    return index === 0 ? "y" : `y${index + 1}`;
  }

  function pointTraces(answer, point, panelIndex, look) {
    const track = answer.tracks[point.id];
    const { line, band, dash } = look.points[point.look];
    const common = { type: "scatter", hoverinfo: "skip", yaxis: axisName(panelIndex), pointId: point.id };
    const parts = split(track);
    const traces = [];
    if (track.least) traces.push({ ...common, ...bandOf(track, parts), part: "band", mode: "none", fill: "toself", fillcolor: band });
    const earlier = answer.compared && answer.compared.tracks[point.id];
    if (earlier) {
      traces.push({
        ...common, ...lineOf(earlier, split(earlier)), part: "compared", mode: "lines", opacity: 0.65,
        line: { color: line, width: 1.2, dash: "6px,4px", shape: shapeOf(point) },
      });
    }
    traces.push({
      ...common, ...lineOf(track, parts), part: "line", mode: "lines",
      line: { color: line, width: LINE_PX, dash, shape: shapeOf(point) },
    });
    const marks = marksOf(track, parts);
    if (marks.x.length) {
      traces.push({
        ...common, x: marks.x, y: marks.y, part: "marks", mode: "markers",
        marker: { color: line, size: marks.sizes, symbol: marks.symbols, line: { color: line, width: 1.4 } },
      });
    }
    return traces;
  }

  function shapeOf(point) {
    return point.is_state ? "hv" : "linear";
  }

  /* Where a sample is drawn: a bucket in its middle. */
  function xOf(track, index) {
    return track.times[index] + track.widths[index] / 2;
  }

  /* Suspect readings are marked, but no line goes through them. */
  function isSuspect(track, index) {
    return track.is_raw && track.quality[index] === SUSPECT;
  }

  /* Runs of samples with values and no gap between them, as [first, end); suspect readings don't end one. */
  function split(track) {
    const parts = [];
    let from = -1;
    let gap = 0;
    track.values.forEach((value, index) => {
      if (isSuspect(track, index)) return;
      while (gap < track.gaps.length && index > 0 && track.gaps[gap][1] <= xOf(track, index - 1)) gap += 1;
      const isAfterGap = index > 0 && gap < track.gaps.length && track.gaps[gap][0] < xOf(track, index);
      if (from >= 0 && (value === null || isAfterGap)) {
        parts.push([from, index]);
        from = -1;
      }
      if (value !== null && from < 0) from = index;
    });
    if (from >= 0) parts.push([from, track.values.length]);
    return parts;
  }

  function lineOf(track, parts) {
    const x = [];
    const y = [];
    for (const [first, end] of parts) {
      for (let index = first; index < end; index += 1) {
        if (isSuspect(track, index)) continue;
        x.push(xOf(track, index));
        y.push(track.values[index]);
      }
      x.push(null);
      y.push(null);
    }
    return { x, y };
  }

  /* Around each run: along its greatest values and back along its least. */
  function bandOf(track, parts) {
    const x = [];
    const y = [];
    for (const [first, end] of parts) {
      const half = end - first === 1 ? track.widths[first] / 2 : 0;
      for (let index = first; index < end; index += 1) add(xOf(track, index), track.greatest[index], half);
      for (let index = end - 1; index >= first; index -= 1) add(xOf(track, index), track.least[index], -half);
      x.push(null);
      y.push(null);
    }
    return { x, y };

    function add(at, value, half) {
      x.push(at - half);
      y.push(value);
      if (!half) return;
      x.push(at + half);
      y.push(value);
    }
  }

  /* Suspect readings hollow; single ones, and all where they are few, as dots. */
  function marksOf(track, parts) {
    const marks = { x: [], y: [], sizes: [], symbols: [] };
    const add = (index, size, symbol) => {
      marks.x.push(xOf(track, index));
      marks.y.push(track.values[index]);
      marks.sizes.push(size);
      marks.symbols.push(symbol);
    };
    const isFew = track.is_raw && track.values.length <= MOST_MARKED;
    for (const [first, end] of parts) {
      if (!isFew && end - first > 1) continue;
      for (let index = first; index < end; index += 1) if (!isSuspect(track, index)) add(index, DOT_PX, "circle");
    }
    track.values.forEach((value, index) => { if (value !== null && isSuspect(track, index)) add(index, HOLLOW_PX, "circle-open"); });
    return marks;
  }

  // Gaps

  /* Hatched: over the whole panel when the point is alone in it, else in a lane of its own at the foot. */
  function gapTraces(answer, points, point, panelIndex, look, pxPerMs) {
    const { gaps } = answer.tracks[point.id];
    if (!gaps.length) return [];
    const lane = points.indexOf(point);
    const [low, high] = points.length === 1 ? [0, 1] : [lane * LANE, (lane + 0.8) * LANE];
    const x = [];
    const y = [];
    for (const [startMs, endMs] of joined(gaps, NARROWEST_GAP_PX / pxPerMs)) {
      x.push(startMs, endMs, endMs, startMs, null);
      y.push(low, low, high, high, null);
    }
    const { line } = look.points[point.look];
    return [{
      type: "scatter", x, y, mode: "lines", fill: "toself", part: "gaps", pointId: point.id, hoverinfo: "skip", line: { width: 0 },
      yaxis: axisName(answer.panels.length + panelIndex), fillcolor: "rgba(0,0,0,0)",
      fillpattern: { shape: "/", size: 7, solidity: 0.22, fgcolor: points.length === 1 ? look.faint : line, bgcolor: "rgba(0,0,0,0)", fillmode: "overlay" },
    }];
  }

  /* Gaps that would fall on one another's pixels, as one. */
  function joined(gaps, leastMs) {
    const found = [];
    for (const [startMs, endMs] of gaps) {
      const last = found[found.length - 1];
      if (last && startMs - last[1] < leastMs) last[1] = Math.max(last[1], endMs);
      else found.push([startMs, Math.max(endMs, startMs + leastMs)]);
    }
    return found;
  }

  // Notes that people left

  function noteShape(note, answer, look) {
    const line = { color: look.faint, width: 1, dash: "2px,2px" };
    const common = { xref: "x", yref: "paper", y0: 0, y1: 1, layer: "below", name: `note-${note.id}` };
    if (note.end_ms === null) return [{ ...common, type: "line", x0: note.start_ms, x1: note.start_ms, line }];
    return [{ ...common, type: "rect", x0: note.start_ms, x1: note.end_ms, line, fillcolor: look.faint, opacity: 0.1 }];
  }

  return { SUSPECT, build, split, bandOf, lineOf, marksOf, joined, xOf };
})();
