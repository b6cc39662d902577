/* The newest reading of every point, whichever way it came: a row each, for the page "Live" while it is open. */
window.monitor = window.monitor || {};
window.monitor.latest = (() => {
  const RETRY_MS = 5000;
  const LINES_PER_REQUEST = 40;
  const NOT_AVAILABLE = 1;
  const SUSPECT = 2;
  const { catchUp, clock, freshness, plant } = monitor;

  const latest = {
    state: "idle", // idle, loading, ready, failed
    cause: "",
    version: null, // of the plant's configuration that the rows are of
    edition: 0, // grows when there are other rows
    rows: new Map(), // data point id -> row
    gatewayCount: 0,
  };
  let endListening = [];
  let whenChanged = () => {};
  let timer = null;
  let asking = null;

  /* Keep rows from now on. changed: called with each row that has a newer reading. */
  function start(changed) {
    stop();
    whenChanged = changed;
    Object.assign(latest, { state: "loading", version: null });
    endListening = [plant.listen(reading), catchUp.listen(fetchNewest)];
    fetchRows();
  }

  /* Try again in a while; of several waits the last one counts. */
  function later(action) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      action();
    }, RETRY_MS * clock.scale);
  }

  function stopWaiting() {
    clearTimeout(timer);
    timer = null;
  }

  function stop() {
    stopWaiting();
    endListening.forEach((end) => end());
    endListening = [];
    latest.rows = new Map();
    latest.edition += 1;
    latest.state = "idle";
    asking = null;
  }

  /* Gateways, devices or points have changed since the rows were fetched. */
  function isOutdated() {
    const { description } = plant;
    const isIdle = asking === null && timer === null;
    return latest.state === "ready" && isIdle && description !== null && description.version > latest.version;
  }

  /* What points there are, and then their newest values; tried again until there is an answer. */
  async function fetchRows() {
    const ours = (asking = {});
    stopWaiting();
    try {
      const description = await catchUp.fetchJson("/live/points");
      if (asking !== ours) return;
      describe(description);
      await fetchNewest();
    } catch (error) {
      if (asking === ours) failed(error);
    }
    if (asking === ours) asking = null;
  }

  function failed(error) {
    latest.cause = error.message;
    if (latest.state !== "ready") latest.state = "failed";
    later(fetchRows);
  }

  /* New rows; what is known of points that stay is kept. */
  function describe({ version, at, time_zone: timeZone, gateways, devices, points }) {
    clock.heard(at);
    monitor.formats.useTimeZone(timeZone);
    const gatewayOf = new Map(gateways.map(([id, name, area, periodMs]) => [id, { gatewayId: id, gateway: name, group: area || "", periodMs }]));
    const deviceOf = new Map(devices.map(([id, gatewayId, name]) => [id, { device: name, ...gatewayOf.get(gatewayId) }]));
    const rows = points.filter((point) => deviceOf.has(point[1])).map((point, place) => rowOf(point, place, deviceOf.get(point[1])));
    latest.rows = new Map(rows.map((row) => [row.pointId, row]));
    Object.assign(latest, { version, state: "ready", cause: "", gatewayCount: gateways.length });
    latest.edition += 1;
  }

  function rowOf([pointId, , label, unit, kind, digits, address], place, whose) {
    const known = latest.rows.get(pointId) || { atMs: null, value: null, quality: null, cells: null, isSeeded: false };
    const { atMs, value, quality, cells, isSeeded } = known;
    const words = [whose.gateway, whose.device, label, unit, whose.group, kind, address].join(" ").toLowerCase();
    return {
      id: String(pointId), pointId, place, point: label, unit, kind, digits, address, words, ...whose,
      atMs, value, quality, cells, isSeeded,
    };
  }

  /* The newest values of all points: at first, and whenever the socket may not have brought all. */
  async function fetchNewest() {
    if (latest.state !== "ready") return;
    const ours = latest.edition;
    try {
      const { at, readings } = await catchUp.fetchJson("/live/snapshot");
      clock.heard(at);
      if (latest.edition !== ours) return;
      for (const [id, atMs, value, quality, text] of readings) reading(id, atMs, text ?? value, quality);
    } catch (error) {
      latest.cause = error.message;
      if (endListening.length) later(fetchNewest);
    }
  }

  /* One reading; an older one than is known changes nothing but the line. */
  function reading(pointId, atMs, value, quality) {
    const row = latest.rows.get(pointId);
    if (!row) return;
    if (quality === 0 && typeof value === "number") cellsOf(row).add(atMs, value);
    if (row.atMs !== null && atMs <= row.atMs) return;
    Object.assign(row, { atMs, value, quality });
    whenChanged(row);
  }

  function cellsOf(row) {
    row.cells = row.cells || new monitor.cells.Cells();
    return row.cells;
  }

  /* Fetch the last half hour of rows that are looked at and have not been yet. */
  async function seedLines(rows) {
    const wanted = rows.filter((row) => !row.isSeeded && row.kind !== "text").slice(0, LINES_PER_REQUEST);
    if (!wanted.length) return;
    wanted.forEach((row) => { row.isSeeded = true; });
    try {
      const { lines } = await catchUp.fetchJson(`/live/lines?points=${wanted.map((row) => row.pointId).join(",")}`);
      for (const [id, times, values] of lines) addLine(latest.rows.get(id), times, values);
    } catch {
      clock.after(RETRY_MS, () => wanted.forEach((row) => { row.isSeeded = false; }));
    }
  }

  function addLine(row, times, values) {
    if (row) times.forEach((atMs, index) => cellsOf(row).add(atMs, values[index]));
  }

  function ageMs(row, nowMs) {
    return row.atMs === null ? null : Math.max(0, nowMs - row.atMs);
  }

  function freshnessOf(row, nowMs) {
    return freshness.of(ageMs(row, nowMs), row.periodMs);
  }

  /* "good", "suspect", "no value", "stale" or "never read": what is old is stale, whatever it was. */
  function stateOf(row, nowMs) {
    const fresh = freshnessOf(row, nowMs);
    if (fresh === "none") return "never read";
    if (fresh === "stale") return "stale";
    if (row.quality === SUSPECT) return "suspect";
    return row.quality === NOT_AVAILABLE || row.value === null ? "no value" : "good";
  }

  return Object.assign(latest, { start, stop, fetchRows, isOutdated, seedLines, ageMs, freshnessOf, stateOf });
})();
