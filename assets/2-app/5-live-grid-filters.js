/* Which rows of the page "Live" are shown, by what they are and how they are; kept in the page's address. */
window.monitor = window.monitor || {};
window.monitor.liveFilters = (() => {
  const STATES = ["good", "suspect", "no value", "stale", "never read"];
  const TYPES = ["instantaneous", "counter", "state", "text"];
  const NONE = "(none)";
  const { latest } = monitor;

  /* name in the address, title, the value of a row, and the word for a value. */
  const FACETS = [
    { name: "gateway", title: "Gateway", of: (row) => String(row.gatewayId), word: gatewayName },
    { name: "group", title: "Group", of: (row) => row.group, word: (value) => value || NONE },
    { name: "type", title: "Type", of: (row) => row.kind, word: (value) => value, order: TYPES },
    { name: "unit", title: "Unit", of: (row) => row.unit, word: (value) => value || NONE },
    { name: "state", title: "State", of: (row, nowMs) => latest.stateOf(row, nowMs), word: (value) => value, order: STATES },
  ];

  const filters = { text: "", chosen: new Map(FACETS.map(({ name }) => [name, new Set()])) };
  let words = [];

  function gatewayName(value) {
    for (const row of latest.rows.values()) if (String(row.gatewayId) === value) return row.gateway;
    return `gateway ${value}`;
  }

  function setText(text) {
    filters.text = text;
    words = text.toLowerCase().split(/\s+/).filter(Boolean);
  }

  function toggle(name, value) {
    const values = filters.chosen.get(name);
    if (!values.delete(value)) values.add(value);
  }

  function clear() {
    setText("");
    for (const values of filters.chosen.values()) values.clear();
  }

  function isAny() {
    return words.length > 0 || FACETS.some(({ name }) => filters.chosen.get(name).size > 0);
  }

  /* Does time alone change what is shown? */
  function isOfState() {
    return filters.chosen.get("state").size > 0;
  }

  /* All words have to be found, and one of the values of each facet that has any. but: a facet that is left out. */
  function passes(row, nowMs, but = null) {
    if (!words.every((word) => row.words.includes(word))) return false;
    return FACETS.every(({ name, of }) => {
      const values = filters.chosen.get(name);
      return name === but || values.size === 0 || values.has(of(row, nowMs));
    });
  }

  /* What a facet can be set to, and how many rows each value would show: [{value, word, count, isChosen}]. */
  function options({ name, of, word, order }, nowMs) {
    const counts = new Map([...filters.chosen.get(name)].map((value) => [value, 0]));
    for (const row of latest.rows.values()) {
      const value = of(row, nowMs);
      if (!counts.has(value)) counts.set(value, 0);
      if (passes(row, nowMs, name)) counts.set(value, counts.get(value) + 1);
    }
    const values = order ? order.filter((value) => counts.has(value)) : [...counts.keys()].sort(compare(word));
    return values.map((value) => ({
      value, word: word(value), count: counts.get(value), isChosen: filters.chosen.get(name).has(value),
    }));
  }

  function compare(word) {
    return (one, other) => word(one).localeCompare(word(other), undefined, { numeric: true });
  }

  /* The filters in force, in words: [{name, title, value, word}]. */
  function chips() {
    const found = FACETS.flatMap(({ name, title, word }) =>
      [...filters.chosen.get(name)].map((value) => ({ name, title, value, word: word(value) })));
    return words.length ? [{ name: "q", title: "Text", value: filters.text, word: filters.text }, ...found] : found;
  }

  function read(query) {
    setText(query.get("q") || "");
    for (const { name, order } of FACETS) {
      const values = query.getAll(name).filter((value) => !order || order.includes(value));
      filters.chosen.set(name, new Set(values));
    }
  }

  function write(query) {
    if (filters.text) query.set("q", filters.text);
    for (const { name } of FACETS) for (const value of filters.chosen.get(name)) query.append(name, value);
  }

  return { FACETS, filters, setText, toggle, clear, isAny, isOfState, passes, options, chips, read, write };
})();
