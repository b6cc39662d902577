/* Above the grid of the page "Live": search, filters with their chips, how many rows are shown, and the density. */
window.monitor = window.monitor || {};
window.monitor.liveBar = (() => {
  const DENSITY_KEY = "monitor-density";
  const SEARCH_REST_MS = 150;
  const { clock, dom, formats, latest, liveFilters } = monitor;

  let parts = null; // of the bar that is shown
  let whenChanged = () => {};

  function make(kind, className = "", text = null, attributes = {}) {
    const element = document.createElement(kind);
    if (className) element.className = className;
    if (text !== null) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  function button(text, className, action, attributes = {}) {
    const element = make("button", className, text, { type: "button", ...attributes });
    element.addEventListener("click", action);
    return element;
  }

  /* Fill the bar. changed: called when other rows are to be shown, or these in another density. */
  function build(box, changed) {
    whenChanged = changed;
    parts = {
      box,
      search: searchField(),
      menus: liveFilters.FACETS.map(menu),
      count: make("span", "m-live-count m-figures", "", { role: "status" }),
      density: button("Compact", "m-button", swapDensity, { title: "Rows closer together" }),
      chips: make("div", "m-live-chips"),
    };
    const first = make("div", "m-live-controls");
    first.append(parts.search, ...parts.menus.map(({ element }) => element), parts.count, parts.density);
    box.replaceChildren(first, parts.chips);
    paint();
  }

  function searchField() {
    const field = make("input", "m-live-search", null, {
      type: "search", placeholder: "Search points", "aria-label": "Search points: all words have to be found",
      autocomplete: "off", spellcheck: "false",
    });
    let timer = null;
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        liveFilters.setText(field.value.trim());
        changed();
      }, SEARCH_REST_MS);
    });
    return field;
  }

  function changed() {
    paint();
    whenChanged();
  }

  // A menu for each facet: a summary that opens a list of boxes

  function menu(facet) {
    const element = make("details", "m-live-menu");
    const summary = make("summary", "m-button");
    const list = make("fieldset", "m-live-options");
    element.append(summary, list);
    element.addEventListener("toggle", () => { if (element.open) fill(list, facet); });
    return { element, summary, list, facet };
  }

  function fill(list, facet) {
    const legend = make("legend", "visually-hidden", facet.title);
    const found = liveFilters.options(facet, clock.serverMs());
    list.replaceChildren(legend, ...found.map((option) => optionOf(facet, option)));
    if (!found.length) list.append(make("p", "m-table-empty", "nothing to choose from"));
  }

  function optionOf(facet, { value, word, count, isChosen }) {
    const label = make("label", "m-live-option");
    const box = make("input", "", null, { type: "checkbox", value });
    box.checked = isChosen;
    box.addEventListener("change", () => {
      liveFilters.toggle(facet.name, value);
      changed();
    });
    label.append(box, make("span", "", word), make("span", "m-live-option-count m-figures", formats.number(count, 0)));
    return label;
  }

  /* A click elsewhere or Escape closes a menu; Escape gives the focus back to what opened it. */
  document.addEventListener("click", (event) => {
    const path = event.composedPath(); // what was clicked may be gone by now
    for (const { element } of parts ? parts.menus : []) if (element.open && !path.includes(element)) element.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && parts && parts.menus.find(({ element }) => element.open);
    if (!open) return;
    open.element.open = false;
    open.summary.focus();
  });

  // Chips, counts, density

  function paint() {
    if (!parts) return;
    for (const { summary, facet, element, list } of parts.menus) {
      const chosen = liveFilters.filters.chosen.get(facet.name).size;
      dom.text(summary, chosen ? `${facet.title} (${chosen})` : facet.title);
      if (element.open && !list.contains(document.activeElement)) fill(list, facet);
    }
    if (document.activeElement !== parts.search) parts.search.value = liveFilters.filters.text;
    paintChips();
    parts.density.setAttribute("aria-pressed", String(isCompact()));
  }

  function paintChips() {
    const chips = liveFilters.chips();
    const hadFocus = parts.chips.contains(document.activeElement);
    parts.chips.replaceChildren(...chips.map(chipOf));
    if (chips.length) parts.chips.append(button("Clear filters", "m-live-clear", clear));
    if (hadFocus) (parts.chips.querySelector("button") || parts.search).focus();
  }

  function chipOf({ name, title, value, word }) {
    const chip = button(`${title}: ${word}`, "m-live-chip", () => {
      if (name === "q") liveFilters.setText("");
      else liveFilters.toggle(name, value);
      refill();
    }, { "aria-label": `Remove the filter ${title}: ${word}` });
    chip.append(make("span", "m-live-cross", "×", { "aria-hidden": "true" }));
    return chip;
  }

  function clear() {
    liveFilters.clear();
    refill();
  }

  function refill() {
    if (parts) parts.search.value = liveFilters.filters.text;
    changed();
  }

  function paintCount(shown) {
    if (!parts) return;
    const all = latest.rows.size;
    const words = shown === all ? formats.number(all, 0) : `${formats.number(shown, 0)} of ${formats.number(all, 0)}`;
    dom.text(parts.count, latest.state === "ready" ? `${words} points` : "");
  }

  function isCompact() {
    try {
      return localStorage.getItem(DENSITY_KEY) === "compact";
    } catch {
      return false; // a browser may forbid it
    }
  }

  function swapDensity() {
    try {
      localStorage.setItem(DENSITY_KEY, isCompact() ? "comfortable" : "compact");
    } catch {
      return;
    }
    changed();
  }

  return { build, paint, paintCount, clear, isCompact, make, button };
})();
