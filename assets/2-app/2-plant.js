/* What this page knows of the plant: its gateways, the rings of their power readings, and how far time is known. */
window.monitor = window.monitor || {};
window.monitor.plant = (() => {
  const WINDOW_MS = 30 * 60 * 1000; // what charts show
  const KEPT_MS = WINDOW_MS + 60 * 1000; // what rings hold: the first cell needs the readings before it
  const SPARKLINE_STEP_MS = 15000;
  const { Ring } = monitor.rings;

  const plant = {
    WINDOW_MS,
    KEPT_MS,
    description: null, // as the server gave it
    edition: 0, // grows when gateways or points change
    gateways: new Map(),
    rings: new Map(), // data point id -> Ring
    gatewayIds: new Map(), // data point id -> gateway id
    lines: [], // the chart's: {name, series}, the total first
    watermarkMs: null, // newest server time up to which readings are known; stands still while disconnected
    newestReadingMs: null,
    watched: [], // ids of points whose readings a page wants besides
  };
  const listeners = new Set();

  /* Take over a description; readings of points that stay are kept. True when there are points without readings. */
  plant.describe = (description) => {
    const before = plant.rings;
    plant.description = description;
    plant.edition += 1;
    monitor.formats.useTimeZone(description.time_zone);
    monitor.clock.heard(description.at);
    keepRings(before);
    plant.gatewayIds = new Map(description.gateways.flatMap((facts) => facts.points.map((id) => [id, facts.id])));
    plant.gateways = new Map(description.gateways.map((facts) => [facts.id, gatewayOf(facts)]));
    plant.lines = linesOf(plant.gateways);
    return [...plant.rings.keys()].some((id) => !before.has(id));
  };

  function keepRings(before) {
    const ids = plant.description.gateways.flatMap((facts) => facts.points).concat(plant.watched);
    plant.rings = new Map(ids.map((id) => [id, before.get(id) || new Ring()]));
  }

  /* From now on the readings of these points are kept and caught up too; those that came before must be fetched. */
  plant.watch = (ids) => {
    plant.watched = [...ids];
    if (plant.description) keepRings(plant.rings);
  };

  /* Call a function with every reading of any point: (id, time, value or text, quality, is it new to its ring).
     Returns what ends it. */
  plant.listen = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };

  function gatewayOf(facts) {
    const known = plant.gateways.get(facts.id) || {};
    const members = facts.points.map((id) => ({ ring: plant.rings.get(id), periodMs: facts.period_ms }));
    const series = monitor.series.create(members, WINDOW_MS, SPARKLINE_STEP_MS);
    return { newestReadingMs: null, ...known, ...facts, members, series };
  }

  function linesOf(gateways) {
    const all = [...gateways.values()];
    const areaOf = (gateway) => gateway.area || "Other";
    const areas = [...new Set(all.filter((gateway) => gateway.points.length).map(areaOf))];
    const lines = [lineOf("Total", all)];
    if (areas.length < 2) return lines;
    return lines.concat(areas.map((area) => lineOf(area, all.filter((gateway) => areaOf(gateway) === area))));
  }

  function lineOf(name, gateways) {
    return { name, series: monitor.series.create(gateways.flatMap((gateway) => gateway.members), WINDOW_MS) };
  }

  /* One reading, whichever way it came; true when a watched point has none of that time yet. gatewayId is known for
     points that are not watched too, when an event says it. */
  plant.reading = (pointId, atMs, value, quality, gatewayId = plant.gatewayIds.get(pointId)) => {
    const ring = plant.rings.get(pointId);
    const isNew = Boolean(ring) && ring.add(atMs, typeof value === "number" ? value : null, quality);
    const gateway = plant.gateways.get(gatewayId);
    if (gateway) gateway.newestReadingMs = Math.max(gateway.newestReadingMs, atMs);
    plant.newestReadingMs = Math.max(plant.newestReadingMs, atMs);
    for (const listener of listeners) listener(pointId, atMs, value, quality, isNew);
    return isNew;
  };

  /* Readings from a time on were not known when the cells after it were folded. */
  plant.reopen = (fromMs) => {
    for (const { series } of [...plant.lines, ...plant.gateways.values()]) monitor.series.reopen(series, fromMs);
  };

  /* A gateway's state; an answer that was overtaken by a newer change is not taken over. */
  plant.gatewayState = (facts) => {
    const gateway = plant.gateways.get(facts.id);
    if (!gateway || facts.status_since_ms < gateway.status_since_ms) return;
    Object.assign(gateway, facts);
  };

  /* The server's time has come this far, and every reading before it is here or will come by itself. */
  plant.heard = (serverMs) => {
    monitor.clock.heard(serverMs);
    plant.watermarkMs = Math.max(plant.watermarkMs, serverMs);
  };

  plant.trim = () => {
    if (plant.watermarkMs === null) return;
    for (const ring of plant.rings.values()) ring.trim(plant.watermarkMs - KEPT_MS);
  };

  /* The sum of a gateway's or the plant's power now, how many meters it has, and the age of the newest sample in it. */
  plant.powerNow = (members, nowMs) => {
    const { sum, count } = monitor.series.sumAt(members, nowMs);
    const newest = Math.max(...members.map((member) => member.ring.newestMs() || -Infinity));
    return { powerW: count ? sum : null, count, newestMs: newest === -Infinity ? null : newest };
  };

  return plant;
})();
