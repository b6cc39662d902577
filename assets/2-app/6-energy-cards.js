/* The cards of the page "Energy": each meter's week so far, beside last week by the same time, and its days as bars. */
window.monitor = window.monitor || {};
window.monitor.energyCards = (() => {
  const { dom, formats, rows } = monitor;
  const LEAST_PERCENT = 3; // a day with little still shows

  function paint(box, { cards }) {
    if (!box || !cards || !rows.hasChanged(box, cards)) return;
    box.replaceChildren(...cards.map(card));
  }

  function card({ name, place, address, value, before, change, mark, note, days }) {
    const link = rows.make("a", name, "m-energy-card-name");
    link.href = address;
    link.dataset.energyGo = "";
    const head = rows.make("div", null, "m-card-head");
    head.append(link, rows.make("span", place));
    const reading = rows.make("p", null, "m-card-reading");
    reading.append(
      rows.make("span", value.value === null ? formats.NO_VALUE : formats.number(value.value, value.digits), "m-number"),
      rows.make("span", value.value === null ? "" : value.unit, "m-unit"), markOf(mark));
    const compared = rows.make("p", null, "m-card-foot m-figures");
    compared.append(rows.make("span", `last week by then ${formats.amount(before)}`), rows.make("span", change));
    const article = rows.make("article", null, "m-card m-energy-card");
    article.append(head, reading, bars(days), compared);
    if (note) article.append(rows.make("p", note, "m-energy-card-note"));
    return article;
  }

  function markOf(mark) {
    const element = rows.make("span", mark === "missing" ? "part not known" : mark, "m-energy-mark");
    element.dataset.mark = mark;
    return element;
  }

  /* Last week's days faint, this week's beside them; what is not known is hatched. */
  function bars(days) {
    const most = Math.max(1e-9, ...days.map((day) => day.value || 0));
    const box = rows.make("div", null, "m-energy-days");
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", days.map((day) => `${day.name} ${dayWords(day)}`).join(", "));
    for (const day of days) {
      const bar = rows.make("span");
      bar.title = `${day.name}: ${dayWords(day)}`;
      bar.dataset.mark = day.mark;
      bar.dataset.week = day.week;
      const share = day.value === null ? 25 : Math.max(LEAST_PERCENT, 100 * (day.value / most));
      dom.property(bar, "height", `${share.toFixed(1)}%`);
      box.append(bar);
    }
    return box;
  }

  function dayWords(day) {
    if (day.mark === "to come") return "to come";
    const amount = formats.amount({ value: day.value, unit: "kWh", digits: 1 });
    return day.value === null ? "not known" : `${amount}, ${day.mark === "missing" ? "part not known" : day.mark}`;
  }

  return { paint };
})();
