/* The tables of the page History: the statistics of what is drawn, its gaps with their reasons, and the same data as rows. */
window.monitor = window.monitor || {};
window.monitor.historyTables = (() => {
  const MARKS = ["measured", "partly interpolated", "partly estimated", "incomplete"];
  const GOOD = 0;
  const PAGE_ROWS = 100;
  const MOST_GAPS = 60;
  const { dom, formats, historyState: state, historyTime, historyWords: words } = monitor;

  const shown = { edition: 0, page: 0, dataKey: "" };

  function paint() {
    if (!state.answer || !document.getElementById("history-statistics")) return;
    if (shown.edition !== state.edition) {
      Object.assign(shown, { edition: state.edition, page: 0, dataKey: "" });
      paintStatistics(state.answer);
      paintGaps(state.answer);
    }
    paintData(state.answer);
  }

  function table(caption, columns, rows) {
    const element = words.make("table", null, "m-table");
    element.append(words.make("caption", caption, "visually-hidden"));
    const head = words.make("tr");
    for (const { name, isNumber } of columns) {
      const cell = words.make("th", name, isNumber ? "m-number-cell" : "");
      cell.scope = "col";
      head.append(cell);
    }
    element.append(head, ...rows);
    return element;
  }

  function row(columns, texts) {
    const element = words.make("tr");
    texts.forEach((text, index) => {
      const cell = words.make("td", null, columns[index].isNumber ? "m-number-cell" : "");
      cell.append(...(Array.isArray(text) ? text : [text]));
      element.append(cell);
    });
    return element;
  }

  function text(name) {
    return { name, isNumber: false };
  }

  function number(name) {
    return { name, isNumber: true };
  }

  // Statistics

  function paintStatistics(answer) {
    const columns = [text("Point"), number("Minimum"), number("Maximum"), number("Mean"), number("Readings"), number("Bad"), number("First"),
      number("Last"), number("Increase")];
    const rows = answer.points.map((point) => statisticsRow(answer, columns, point));
    const place = document.getElementById("history-statistics");
    place.replaceChildren(rows.length ? table("Statistics of what is drawn", columns, rows) : words.make("p", "No points are drawn.", "m-table-empty"));
    dom.text(document.getElementById("history-statistics-span"), spanOfStatistics(answer));
  }

  function spanOfStatistics(answer) {
    const [first] = Object.values(answer.tracks);
    return first ? `of the good readings, ${historyTime.span(answer.clock, first.statistics.start_ms, first.statistics.end_ms)}` : "";
  }

  function statisticsRow(answer, columns, point) {
    const track = answer.tracks[point.id];
    const { statistics } = track;
    const value = (one) => words.value(track, point, one, 1);
    const extreme = (one, ms) => (one === null ? value(one) : [value(one), words.make("small", historyTime.brief(answer.clock, ms), "m-history-at")]);
    return row(columns, [
      [swatch(answer, point), words.name(point)], extreme(statistics.minimum, statistics.minimum_at_ms),
      extreme(statistics.maximum, statistics.maximum_at_ms), value(statistics.mean), formats.number(statistics.count, 0),
      formats.number(statistics.bad_count, 0), value(statistics.first), value(statistics.last), increaseOf(statistics, value),
    ]);
  }

  function increaseOf(statistics, value) {
    if (statistics.increase === null) return formats.NO_VALUE;
    return statistics.mark ? [value(statistics.increase), words.make("small", ` ${MARKS[statistics.mark]}`)] : value(statistics.increase);
  }

  function swatch(answer, point) {
    const element = words.make("span", null, "m-history-swatch");
    const { line, dash } = answer.looks[monitor.theme.current()].points[point.look];
    element.style.setProperty("--m-swatch", line);
    element.dataset.dash = dash === "solid" ? "solid" : "dotted";
    return element;
  }

  // Gaps

  function paintGaps(answer) {
    const all = answer.points.flatMap((point) => answer.tracks[point.id].gaps.map((gap) => ({ point, gap })));
    const place = document.getElementById("history-gaps");
    dom.text(document.getElementById("history-gap-count"), all.length ? words.plural(all.length, "gap") : "");
    if (!all.length) {
      place.replaceChildren(words.make("p", answer.points.length ? "No gap: there are values all along." : "No points are drawn.", "m-table-empty"));
      return;
    }
    const longest = [...all].sort((a, b) => b.gap[1] - b.gap[0] - (a.gap[1] - a.gap[0])).slice(0, MOST_GAPS);
    const columns = [text("From"), text("To"), number("Lasts"), text("Point"), text("Reason")];
    const rows = longest.sort((a, b) => a.gap[0] - b.gap[0]).map(({ point, gap: [startMs, endMs, reason, isOpen] }) => row(columns, [
      historyTime.brief(answer.clock, startMs), isOpen ? "now" : historyTime.brief(answer.clock, endMs), formats.span(endMs - startMs),
      [swatch(answer, point), words.name(point)], reason,
    ]));
    const more = all.length > MOST_GAPS ? [words.make("p", `The ${MOST_GAPS} longest of ${all.length}; zoom in to see the others.`, "m-history-hint")] : [];
    place.replaceChildren(table("Gaps and their reasons", columns, rows), ...more);
  }

  // The same data as rows

  function isOpen() {
    const place = document.getElementById("history-data");
    return place && !place.hidden;
  }

  /* Every reading or bucket of every point: one row each, by time, then in the order of the points. */
  function dataRows(answer) {
    const rows = answer.points.flatMap((point) => {
      const track = answer.tracks[point.id];
      const all = track.times.map((atMs, index) => ({ atMs, point, track, index }));
      return answer.good_only && track.is_raw ? all.filter(({ index }) => track.quality[index] === GOOD) : all;
    });
    return rows.sort((a, b) => a.atMs - b.atMs || a.point.look - b.point.look);
  }

  function paintData(answer) {
    const place = document.getElementById("history-data");
    const key = `${state.edition} ${shown.page} ${monitor.theme.current()}`;
    if (!isOpen() || key === shown.dataKey) return;
    shown.dataKey = key;
    const rows = dataRows(answer);
    if (!rows.length) {
      place.replaceChildren(words.make("p", "There is nothing in this range.", "m-table-empty"));
      return;
    }
    const isRaw = answer.points.every((point) => answer.tracks[point.id].is_raw);
    const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
    shown.page = Math.min(shown.page, pages - 1);
    const part = rows.slice(shown.page * PAGE_ROWS, (shown.page + 1) * PAGE_ROWS);
    const columns = [text("Time"), text("Point"), number(isRaw ? "Value" : "Mean"), text("Unit"),
      ...(isRaw ? [] : [number("Minimum"), number("Maximum"), number("Readings")]), text("Quality")];
    const scroll = words.make("div", null, "m-history-data-rows");
    Object.assign(scroll, { tabIndex: 0, role: "region", ariaLabel: "Data of the chart" });
    scroll.append(table("Data of the chart", columns, part.map((one) => dataRow(answer, columns, one, isRaw))));
    place.replaceChildren(pager(rows.length, pages), scroll);
  }

  function dataRow(answer, columns, { atMs, point, track, index }, isRaw) {
    const zone = historyTime.zoneName(answer.clock, atMs);
    const fraction = atMs % 1000 ? `.${String(atMs % 1000).padStart(3, "0")}` : "";
    const wall = historyTime.wallMs(answer.clock, atMs);
    const time = `${historyTime.day(wall)}, ${historyTime.time(wall, track.is_raw)}${fraction} ${zone}`;
    const band = isRaw ? [] : [words.full(track.least ? track.least[index] : track.values[index]),
      words.full(track.greatest ? track.greatest[index] : track.values[index]), formats.number(track.counts ? track.counts[index] : 1, 0)];
    const element = row(columns, [time, [swatch(answer, point), words.name(point)], words.full(track.values[index]), point.unit, ...band,
      words.quality(track, index)]);
    element.dataset.quality = words.quality(track, index);
    return element;
  }

  function pager(count, pages) {
    const place = words.make("div", null, "m-history-pager");
    const go = (page, name) => {
      shown.page = page;
      paint();
      const again = document.querySelector(`#history-data [data-page="${name}"]`);
      if (again && !again.disabled) again.focus();
    };
    const back = words.button("‹", "Earlier rows", () => go(shown.page - 1, "back"));
    const on = words.button("›", "Later rows", () => go(shown.page + 1, "on"));
    back.dataset.page = "back";
    on.dataset.page = "on";
    back.disabled = shown.page === 0;
    on.disabled = shown.page >= pages - 1;
    const [from, to] = [shown.page * PAGE_ROWS + 1, Math.min(count, (shown.page + 1) * PAGE_ROWS)];
    place.append(back, words.make("span", `${formats.number(from, 0)} – ${formats.number(to, 0)} of ${words.plural(count, "row")}`, "m-figures"), on);
    return place;
  }

  /* The button that swaps chart and table. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-history-swap]");
    if (!button) return;
    const isTable = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isTable));
    document.getElementById("history-chart-box").hidden = isTable;
    document.getElementById("history-data").hidden = !isTable;
    dispatchEvent(new Event("monitor:history"));
  });

  addEventListener("monitor:theme", () => {
    shown.edition = 0;
    paint();
  });
  return { paint, dataRows };
})();
