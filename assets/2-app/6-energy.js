/* The page "Energy": draws its charts when they come into sight, writes tiles, tables and cards from what the server says.
   Colours in figures are names of our CSS variables, so that charts follow the theme. */
window.monitor = window.monitor || {};
window.monitor.energy = (() => {
  const TICK_PX = { short: 34, long: 62 };
  const SHORT_WORD = 4; // letters
  const LOOK_EVERY_MS = 200;
  const AHEAD = "300px"; // charts so far below the screen are drawn already
  const { dom, formats, rows } = monitor;

  let facts = null;
  let weeks = null;
  let waiting = null;
  const drawn = new WeakMap(); // box -> the figure it shows
  const sight = new IntersectionObserver(seen, { rootMargin: AHEAD });

  /* {tiles, words, charts, tables, looks, query} of one view. */
  function take(given) {
    if (!given) return;
    facts = given;
    paint();
  }

  /* Dash may hand the facts over before the page's boxes are there. */
  function paint() {
    clearTimeout(waiting);
    const page = document.querySelector(".m-energy");
    if (!facts || !page) {
      waiting = facts ? setTimeout(paint, LOOK_EVERY_MS) : null;
      return;
    }
    paintWords(page);
    for (const tile of page.querySelectorAll("[data-energy-tile]")) paintTile(tile, facts.tiles[tile.dataset.energyTile]);
    for (const box of page.querySelectorAll("[data-energy-table]")) paintTable(box);
    for (const link of page.querySelectorAll("[data-energy-csv]")) {
      dom.attribute(link, "href", `/energy/export/${link.dataset.energyCsv}.csv?${facts.query}`);
    }
    if (weeks) paintWeeks();
    for (const box of page.querySelectorAll("[data-energy-chart]")) {
      sight.unobserve(box);
      sight.observe(box);
    }
    dom.attribute(page, "data-shown", facts.query);
  }

  /* {cards, words}, a moment later. */
  function takeWeeks(given) {
    if (!given) return;
    weeks = given;
    paintWeeks();
  }

  function paintWeeks() {
    monitor.energyCards.paint(document.getElementById("energy-cards"), weeks);
    dom.text(document.getElementById("energy-cards-until"), weeks.words.map(word).join(""));
  }

  function paintWords(page) {
    for (const element of page.querySelectorAll("[data-energy-words]")) {
      const words = facts.words[element.dataset.energyWords];
      dom.text(element, words ? words.map(word).join("") : "");
    }
  }

  function word(given) {
    return typeof given === "string" ? given : formats.amount(given);
  }

  function paintTile(tile, given) {
    if (!given) return;
    const { value, note, severity, mark } = given;
    dom.attribute(tile, "data-severity", severity);
    dom.attribute(tile, "data-fresh", "fresh");
    dom.text(dom.part(tile, "shape"), { critical: "1", high: "2", low: "3" }[severity] || "");
    dom.text(dom.part(tile, "value"), value.value === null ? formats.NO_VALUE : formats.number(value.value, value.digits));
    dom.text(dom.part(tile, "unit"), value.value === null ? "" : value.unit);
    dom.attribute(dom.part(tile, "mark"), "data-mark", mark);
    dom.text(dom.part(tile, "mark"), mark ? { missing: "part not known" }[mark] || mark : "");
    dom.text(dom.part(tile, "note"), note.map(word).join(""));
  }

  // Tables

  function paintTable(box) {
    const table = facts.tables[box.dataset.energyTable];
    if (table && !box.hidden) rows.paint(box, table);
  }

  /* The buttons that swap a chart and its table. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-energy-swap]");
    if (!button) return;
    const name = button.dataset.energySwap;
    const isTable = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isTable));
    document.querySelector(`[data-energy-chart="${name}"]`).hidden = isTable;
    document.querySelector(`[data-energy-table="${name}"]`).hidden = !isTable;
    paint();
  });

  // Charts

  function seen(entries) {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && target.isConnected) draw(target);
    }
  }

  function draw(box) {
    const chart = facts.charts[box.dataset.energyChart];
    if (!chart || drawn.get(box) === chart) return;
    if (!chart.empty && !monitor.plotly.isThere()) {
      monitor.plotly.ready().then(() => box.isConnected && draw(box), (error) => dom.text(box, error.message));
      return;
    }
    drawn.set(box, chart);
    dom.attribute(box, "aria-label", chart.words);
    if (chart.empty) return drawEmpty(box, chart.empty);
    if (!dom.part(box, "plot")) box.replaceChildren(part("hatch"), part("plot"));
    const plot = dom.part(box, "plot");
    const { data, layout } = coloured(chart.figure);
    layout.template = facts.looks[monitor.theme.current()];
    layout.separators = formats.separators();
    Plotly.react(plot, data, thinned(layout, plot), { displayModeBar: false, displaylogo: false, responsive: false })
      .then(() => placeHatch(box, plot, chart));
  }

  function drawEmpty(box, sentence) {
    if (dom.part(box, "plot")) Plotly.purge(dom.part(box, "plot"));
    box.replaceChildren(rows.make("p", sentence, "m-table-empty"));
  }

  function part(name) {
    const element = rows.make("div", null, `m-energy-${name}`);
    element.dataset.part = name;
    return element;
  }

  /* A copy in which names of CSS variables have become colours. */
  function coloured(figure) {
    const style = getComputedStyle(document.documentElement);
    return JSON.parse(JSON.stringify(figure), (_, value) =>
      (typeof value === "string" && value.startsWith("--m-") ? style.getPropertyValue(value).trim() : value));
  }

  /* As many words on the axes as there is room for. */
  function thinned(layout, plot) {
    const { l, r } = layout.margin;
    return { ...layout, width: plot.clientWidth, height: plot.clientHeight, xaxis: thinnedAxis(layout.xaxis, plot.clientWidth - l - r) };
  }

  function thinnedAxis(axis, widthPx) {
    const words = axis.ticktext;
    if (!words || !words.length) return axis;
    const longest = Math.max(...words.map((one) => one.length));
    const room = Math.max(1, Math.floor(widthPx / (longest <= SHORT_WORD ? TICK_PX.short : TICK_PX.long)));
    const every = Math.ceil(words.length / room);
    const kept = (_, index) => index % every === 0;
    return { ...axis, tickvals: axis.tickvals.filter(kept), ticktext: words.filter(kept) };
  }

  /* What is not known shows as a hatch behind the plot. */
  function placeHatch(box, plot, chart) {
    const hatch = dom.part(box, "hatch");
    const { l, t, w, h } = plot._fullLayout._size;
    const [from, to] = chart.hatch || [0, 0];
    Object.assign(hatch.style, { left: `${l + from * w}px`, top: `${t}px`, width: `${(to - from) * w}px`, height: `${h}px` });
  }

  function redraw() {
    if (!facts) return;
    for (const box of document.querySelectorAll("[data-energy-chart]")) drawn.delete(box);
    paint();
  }

  // Controls

  /* Go to another view of the page, as a link does. */
  function go(search) {
    if (search !== location.search) dash_clientside.set_props("energy-location", { search });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-energy-go]");
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || !document.querySelector(".m-energy")) return;
    event.preventDefault();
    go(new URL(link.href).search);
  });

  function scopeChosen(chosen) {
    if (!facts || !document.querySelector(".m-energy")) return;
    const query = new URLSearchParams(facts.query);
    const before = query.getAll("in");
    const now = chosen || [];
    if (before.length === now.length && before.every((one) => now.includes(one))) return;
    query.delete("in");
    for (const one of now) query.append("in", one);
    go(`?${query}`);
  }

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "energy-range") return;
    event.preventDefault();
    const query = new URLSearchParams(facts ? facts.query : "");
    for (const name of ["at", "by"]) query.delete(name);
    query.set("period", "custom");
    query.set("from", document.getElementById("energy-from").value);
    query.set("to", document.getElementById("energy-to").value);
    go(`?${query}`);
  });

  let resizing = null;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(redraw, LOOK_EVERY_MS);
  });
  addEventListener("monitor:theme", redraw);
  addEventListener("beforeprint", () => {
    if (facts) document.querySelectorAll("[data-energy-chart]").forEach(draw);
  });
  return { take, takeWeeks, scopeChosen, shown: () => facts };
})();

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.energy = {
  take: monitor.energy.take,
  takeWeeks: monitor.energy.takeWeeks,
  scopeChosen: monitor.energy.scopeChosen,
};
