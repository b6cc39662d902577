/* A small line of the last half hour on a canvas: the normal band behind it, a gap where nothing was known. */
window.monitor = window.monitor || {};
window.monitor.sparkline = (() => {
  const DOT_PX = 4;
  const LINE_PX = 1.8;

  /* times, values: the line, null for a gap. startMs..endMs: the width. band: {low, high} or null.
     colours: {line, band, gap}. size: of the canvas, if known. dotPx, linePx: sizes for a smaller place. */
  function draw(canvas, { times, values, startMs, endMs, band, colours, size = sizeOf(canvas), dotPx = DOT_PX, linePx = LINE_PX }) {
    const context = fit(canvas, size);
    const { width, height } = size;
    const scale = scaleOf(values, band, height, dotPx);
    const x = (atMs) => ((atMs - startMs) / (endMs - startMs)) * (width - dotPx - 1);
    if (band) drawBand(context, width, scale(band.high), scale(band.low), colours.band);
    drawLine(context, times.map(x), values.map((value) => (value === null ? null : scale(value))), colours.line, dotPx, linePx);
  }

  /* To ask for it has the browser lay out the page again if anything was drawn since. */
  function sizeOf(canvas) {
    return { width: canvas.clientWidth, height: canvas.clientHeight };
  }

  /* A canvas has its own pixels: as many as the screen has under it. */
  function fit(canvas, size) {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(size.width * ratio);
    const height = Math.round(size.height * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    return context;
  }

  /* From a value to a height that keeps the line and the band inside. */
  function scaleOf(values, band, height, dotPx) {
    const known = values.filter((value) => value !== null).concat(band ? [band.low, band.high] : []);
    const low = Math.min(...known);
    const high = Math.max(...known);
    const inner = height - 2 * dotPx;
    const perUnit = high > low ? inner / (high - low) : 0;
    return (value) => dotPx + (perUnit ? (high - value) * perUnit : inner / 2);
  }

  function drawBand(context, width, top, bottom, colour) {
    context.fillStyle = colour;
    context.fillRect(0, top, width, bottom - top);
  }

  function drawLine(context, xs, ys, colour, dotPx, linePx) {
    Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: linePx, lineJoin: "round" });
    context.beginPath();
    ys.forEach((y, index) => {
      if (y === null) return;
      const isStart = index === 0 || ys[index - 1] === null;
      context[isStart ? "moveTo" : "lineTo"](xs[index], y);
    });
    context.stroke();
    const last = ys.length - 1;
    if (last < 0 || ys[last] === null) return;
    context.beginPath();
    context.arc(xs[last], ys[last], dotPx, 0, 2 * Math.PI);
    context.fill();
  }

  return { draw, sizeOf };
})();
