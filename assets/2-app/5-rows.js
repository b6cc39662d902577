/* Writes tables from what the server says: {columns, rows, empty}; only when something has changed. */
window.monitor = window.monitor || {};
window.monitor.rows = (() => {
  const SHAPES = { critical: "1", high: "2", low: "3" };
  const { clock, formats } = monitor;

  const painted = new WeakMap(); // element -> what it shows, as JSON

  function hasChanged(element, shown) {
    const key = JSON.stringify(shown);
    if (painted.get(element) === key) return false;
    painted.set(element, key);
    return true;
  }

  function paint(box, { columns, rows, empty }) {
    if (!hasChanged(box, [columns, rows])) return;
    if (!rows.length) {
      box.replaceChildren(make("p", empty, "m-table-empty"));
      return;
    }
    const table = make("table", null, "m-table");
    const head = make("tr");
    head.append(...columns.map((name, index) => headOf(name, rows, index)));
    table.append(head, ...rows.map(rowOf));
    box.replaceChildren(table);
  }

  function headOf(name, rows, index) {
    const cell = make("th", name);
    cell.scope = "col";
    if (rows.some((row) => isNumber(row[index]))) cell.className = "m-number-cell";
    return cell;
  }

  function rowOf(cells) {
    const row = make("tr");
    row.append(...cells.map(cellOf));
    return row;
  }

  function isNumber(cell) {
    return cell !== null && typeof cell === "object" && "value" in cell;
  }

  /* A cell is text, an amount, {at}, {words} or {severity, word}; null is no value. */
  function cellOf(cell) {
    if (cell === null) return make("td", formats.NO_VALUE);
    if (typeof cell === "string") return make("td", cell);
    if (isNumber(cell)) return make("td", formats.amount(cell), "m-number-cell");
    if ("severity" in cell) return stateOf(cell);
    return make("td", "at" in cell ? formats.moment(cell.at, clock.serverMs()) : cell.words.map(wordOf).join(""));
  }

  function wordOf(word) {
    return typeof word === "string" ? word : formats.amount(word);
  }

  function stateOf({ severity, word }) {
    const cell = make("td");
    const state = make("span", null, "m-state");
    state.dataset.severity = severity;
    state.append(make("span", SHAPES[severity], "m-shape"), make("b", word));
    cell.append(state);
    return cell;
  }

  function make(kind, text = null, className = "") {
    const element = document.createElement(kind);
    if (text !== null) element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  return { hasChanged, make, paint };
})();
