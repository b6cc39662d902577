/* Paints a KPI tile from its facts: {value, severity, bar, note, at}. The server computes most; total power is ours. */
window.monitor = window.monitor || {};
window.monitor.tiles = (() => {
  const SERVER_PERIOD_MS = 10000;
  const SHAPES = { critical: "1", high: "2", low: "3" };
  const { dom, formats, freshness, plant } = monitor;

  let serverFacts = {}; // tile name -> facts
  let lastTotal = { edition: 0, atMs: null, powerW: null, count: 0 };

  /* Dash brings what the server has computed. */
  function takeOver(facts) {
    if (facts) serverFacts = facts;
  }

  function paintAll(nowMs) {
    for (const element of document.querySelectorAll("[data-tile]")) {
      const name = element.dataset.tile;
      const facts = name === "total" ? total(nowMs) : serverFacts[name];
      if (facts) paint(element, facts, nowMs);
    }
  }

  function paint(element, facts, nowMs) {
    const ageMs = facts.at === null ? null : nowMs - facts.at;
    const fresh = freshness.of(ageMs, facts.period_ms || SERVER_PERIOD_MS);
    const value = facts.value;
    dom.attribute(element, "data-fresh", fresh);
    dom.attribute(element, "data-severity", fresh === "stale" ? "" : facts.severity);
    dom.text(dom.part(element, "shape"), SHAPES[facts.severity] || "");
    dom.text(dom.part(element, "value"), value ? formats.number(value.value, value.digits) : formats.NO_VALUE);
    dom.text(dom.part(element, "unit"), value ? value.unit : "");
    dom.text(dom.part(element, "note"), fresh === "stale" ? `${formats.span(ageMs)} old` : words(facts.note));
    paintBar(dom.part(element, "bar"), facts.bar);
  }

  /* A note is a list of words, amounts and times, so that its numbers follow the browser's locale too. */
  function words(note) {
    return note.map(word).join("");
  }

  function word(given) {
    if (typeof given === "string") return given;
    return "at" in given ? formats.time(given.at) : formats.amount(given);
  }

  /* bar: {maximum, pointer, low, high, limit} in the value's unit; what is null is not drawn. */
  function paintBar(element, bar) {
    for (const name of ["pointer", "low", "high", "limit"]) {
      const isKnown = bar && bar[name] !== null && bar[name] !== undefined && bar.maximum > 0;
      const share = isKnown ? Math.min(1, Math.max(0, bar[name] / bar.maximum)) : 0;
      dom.attribute(element, `data-${name}`, isKnown ? "known" : "unknown");
      dom.property(element, `--m-${name}-share`, share.toFixed(4));
    }
  }

  /* The plant's power from the values this page has: those that are fresh enough, and how many are not. */
  function total(nowMs) {
    const members = [...plant.gateways.values()].flatMap((gateway) => gateway.members);
    if (!members.length) return plant.description ? noMeters() : null;
    remember(members, nowMs);
    if (lastTotal.atMs === null) return null;
    return {
      at: lastTotal.atMs,
      period_ms: Math.max(...members.map((member) => member.periodMs)),
      value: formats.power(lastTotal.powerW),
      severity: severityOf(lastTotal.powerW),
      bar: barOf(lastTotal.powerW),
      note: noteOf(lastTotal.count, members.length),
    };
  }

  /* Add up anew when a sample has come. When none comes any more the sum grows old as a whole; it does not shrink while
     its meters drop out of it one by one. */
  function remember(members, nowMs) {
    const { powerW, count, newestMs } = plant.powerNow(members, nowMs);
    if (newestMs === lastTotal.atMs && plant.edition === lastTotal.edition) return;
    lastTotal = { edition: plant.edition, atMs: newestMs, powerW, count };
  }

  function noMeters() {
    return { at: null, value: null, severity: "", bar: null, note: ["no power meter yet"] };
  }

  function severityOf(powerW) {
    const limitW = plant.description.contract_power_w;
    return limitW !== null && powerW > limitW ? "high" : "";
  }

  /* The band is the sum of the gateways' normal ranges, when each has one. */
  function barOf(powerW) {
    const gateways = [...plant.gateways.values()].filter((gateway) => gateway.members.length);
    const limitW = plant.description.contract_power_w;
    const lowW = sumOf(gateways, "normal_low_w");
    const highW = sumOf(gateways, "normal_high_w");
    return { maximum: 1.1 * Math.max(powerW, limitW || 0, highW || 0), pointer: powerW, low: lowW, high: highW, limit: limitW };
  }

  function sumOf(gateways, field) {
    const values = gateways.map((gateway) => gateway[field]);
    return values.some((value) => value === null) ? null : values.reduce((sum, value) => sum + value, 0);
  }

  function noteOf(count, meters) {
    const { contract_power_w: limitW } = plant.description;
    const number = (value) => ({ value, unit: "", digits: 0 });
    if (count < meters) return [number(count), " of ", number(meters), " meters"];
    if (limitW !== null) return ["limit ", { value: limitW / 1000, unit: "kW", digits: 0 }];
    return [number(meters), " meters"];
  }

  return { takeOver, paintAll };
})();
