/* The cells of the page "Live"'s grid that more than text is in. The grid makes them for the rows in sight only; they
   are written in place, and once a second they grow older by themselves. */
window.monitor = window.monitor || {};
window.monitor.liveCells = (() => {
  const SHAPES = { suspect: "3", "no value": "—" };
  const { clock, dom, formats, latest, livePicks } = monitor;

  const inSight = new Set();
  let colours = {};

  /* What all of them do: they know their row, and are painted when they are there and when it has changed. */
  class Cell {
    init({ data }) {
      this.row = data;
      this.gui = this.make();
      inSight.add(this);
      this.paint(clock.serverMs());
    }

    getGui() {
      return this.gui;
    }

    refresh({ data }) {
      this.row = data;
      this.paint(clock.serverMs());
      return true;
    }

    destroy() {
      inSight.delete(this);
    }

    age() {}
  }

  function make(kind, className) {
    return Object.assign(document.createElement(kind), { className });
  }

  class ValueCell extends Cell {
    make() {
      const box = make("span", "m-live-value");
      this.number = make("span", "m-figures");
      this.unit = make("span", "m-live-unit");
      box.append(this.number, this.unit);
      return box;
    }

    paint() {
      dom.text(this.number, valueWords(this.row));
      dom.text(this.unit, this.row.value === null ? "" : this.row.unit);
    }
  }

  /* A row's value as people read it, without its unit. */
  function valueWords({ value, digits }) {
    if (typeof value === "string") return value;
    return formats.number(value, digits === null ? formats.digitsOf(value) : digits);
  }

  /* The age of the sample; it also says on its row how fresh it is. */
  class AgeCell extends Cell {
    make() {
      return make("span", "m-live-age m-figures");
    }

    paint(nowMs) {
      const ageMs = latest.ageMs(this.row, nowMs);
      dom.text(this.gui, ageMs === null ? formats.NO_VALUE : formats.span(ageMs));
      const line = this.gui.closest(".ag-row");
      if (line) dom.attribute(line, "data-fresh", latest.freshnessOf(this.row, nowMs));
    }

    age(nowMs) {
      this.paint(nowMs);
    }
  }

  class QualityCell extends Cell {
    make() {
      const box = make("span", "m-live-quality");
      this.shape = make("span", "m-live-shape");
      this.shape.setAttribute("aria-hidden", "true");
      this.word = make("span", "");
      box.append(this.shape, this.word);
      return box;
    }

    paint(nowMs) {
      const state = latest.stateOf(this.row, nowMs);
      dom.attribute(this.gui, "data-quality", state.replace(" ", "-"));
      dom.text(this.shape, SHAPES[state] || "");
      dom.text(this.word, state);
    }

    age(nowMs) {
      this.paint(nowMs);
    }
  }

  /* The last half hour; drawn when it has changed, once a second at most. */
  class LineCell extends Cell {
    make() {
      const canvas = make("canvas", "m-live-line");
      canvas.setAttribute("role", "img");
      return canvas;
    }

    paint() {}

    age(nowMs) {
      const { cells, periodMs } = this.row;
      if (!cells || !this.gui.clientWidth) return;
      const key = `${this.row.id} ${cells.edition} ${Math.floor(nowMs / monitor.cells.STEP_MS)} ${this.gui.clientWidth} ${this.gui.clientHeight} ${colours.edition} ${latest.freshnessOf(this.row, nowMs)}`;
      if (this.drawn === key) return;
      this.drawn = key;
      const line = cells.line(nowMs, periodMs);
      const isFaded = latest.freshnessOf(this.row, nowMs) === "stale";
      monitor.sparkline.draw(this.gui, {
        ...line, band: null, colours: { line: isFaded ? colours.faded : colours.line }, dotPx: 2, linePx: 1.3,
      });
      dom.attribute(this.gui, "aria-label", lineWords(line.values, this.row));
    }
  }

  function lineWords(values, row) {
    const known = values.filter((value) => value !== null);
    if (!known.length) return "No reading in the last 30 minutes";
    const words = (value) => `${valueWords({ ...row, value })} ${row.unit}`.trim();
    return `Last 30 minutes: ${words(Math.min(...known))} to ${words(Math.max(...known))}`;
  }

  /* The box to pick a point with. The grid has the focus, so it is no stop of its own: space picks in any cell. */
  class PickCell extends Cell {
    make() {
      const label = make("label", "m-live-pick");
      this.box = Object.assign(make("input", ""), { type: "checkbox", tabIndex: -1 });
      this.box.addEventListener("change", () => dispatchEvent(new CustomEvent("monitor:pick", { detail: this.row })));
      label.append(this.box);
      return label;
    }

    paint() {
      const isPicked = livePicks.isPicked(this.row.pointId);
      this.box.checked = isPicked;
      dom.attribute(this.box, "aria-label", `${this.row.point}, ${this.row.device}, ${this.row.gateway}: in the chart`);
      dom.attribute(this.gui, "data-slot", isPicked ? String(livePicks.slotOf(this.row.pointId)) : "");
    }
  }

  /* The point's name; where there is no room for columns of their own, whose it is stands below. */
  class NameCell extends Cell {
    make() {
      const box = make("span", "m-live-name");
      this.point = make("span", "m-live-point");
      this.whose = make("span", "m-live-whose");
      box.append(this.point, this.whose);
      return box;
    }

    paint() {
      dom.text(this.point, this.row.point);
      dom.text(this.whose, `${this.row.gateway} · ${this.row.device}`);
    }
  }

  function age(nowMs) {
    for (const cell of inSight) cell.age(nowMs);
  }

  function paint(nowMs) {
    for (const cell of inSight) cell.paint(nowMs);
  }

  function rowsInSight() {
    return [...new Set([...inSight].map((cell) => cell.row))];
  }

  /* Colours live in the style sheet; a canvas can't read it by itself. */
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    colours = {
      edition: (colours.edition || 0) + 1,
      line: style.getPropertyValue("--m-line-1").trim(),
      faded: style.getPropertyValue("--m-line-3").trim(),
    };
  }

  readColours();
  addEventListener("monitor:theme", readColours);
  return { ValueCell, AgeCell, QualityCell, LineCell, PickCell, NameCell, age, paint, rowsInSight, valueWords };
})();
