/* The live power chart as a table: its newest cells, in place of it. */
window.monitor = window.monitor || {};
window.monitor.table = (() => {
  const ROWS_SHOWN = 15;
  const { formats, plant } = monitor;

  function paint() {
    const table = document.querySelector("#overview-table table");
    if (!table || table.closest("[hidden]") || !plant.lines.length) return;
    const { times } = plant.lines[0].series;
    const key = `${plant.edition} ${times[times.length - 1]}`;
    if (table.dataset.painted === key) return;
    table.dataset.painted = key;
    const shown = times.slice(-ROWS_SHOWN).reverse();
    table.replaceChildren(caption(), row("th", ["Time", ...plant.lines.map((line) => line.name)]),
      ...shown.map((atMs) => row("td", [formats.time(atMs), ...plant.lines.map((line) => cellAt(line.series, atMs))])));
  }

  /* A line of slower meters has its own, longer steps: its newest value until then. */
  function cellAt(one, atMs) {
    const index = one.times.findLastIndex((time) => time <= atMs);
    if (index < 0 || one.sums[index] === null) return formats.NO_VALUE;
    const missing = one.members.length - one.counts[index];
    const text = formats.number(one.sums[index] / 1000, 1);
    return missing ? `${text} (−${missing})` : text;
  }

  function caption() {
    const element = document.createElement("caption");
    element.textContent = "Power in kW, newest first; in brackets: so many meters are missing in the sum";
    return element;
  }

  function row(kind, texts) {
    const element = document.createElement("tr");
    element.append(...texts.map((text) => Object.assign(document.createElement(kind), { textContent: text })));
    return element;
  }

  /* The button that swaps chart and table. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-swap]");
    if (!button) return;
    const isTable = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isTable));
    document.getElementById("overview-chart-box").hidden = isTable;
    document.getElementById("overview-table").hidden = !isTable;
    paint();
  });

  return { paint };
})();
