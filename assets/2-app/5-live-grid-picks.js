/* The points that are picked for the chart of the page "Live": up to eight, each with a slot that gives it its colour. */
window.monitor = window.monitor || {};
window.monitor.livePicks = (() => {
  const RETRY_MS = 5000;
  const { catchUp, clock, latest, plant } = monitor;

  const picks = { ids: [], most: 8, edition: 0 }; // edition grows when other points are picked, or their past has come
  const slots = new Map(); // data point id -> slot
  const seeded = new Set();

  function isPicked(id) {
    return slots.has(id);
  }

  function slotOf(id) {
    return slots.get(id);
  }

  /* Pick a point or leave it; returns what happened, in words. */
  function toggle(row) {
    if (isPicked(row.pointId)) {
      set(picks.ids.filter((id) => id !== row.pointId));
      return `${row.point} is no longer in the chart`;
    }
    if (picks.ids.length >= picks.most) return `The chart holds ${picks.most} points; take one out first`;
    set([...picks.ids, row.pointId]);
    return `${row.point} is in the chart`;
  }

  function set(ids) {
    picks.ids = ids.slice(0, picks.most);
    for (const id of [...slots.keys()]) if (!picks.ids.includes(id)) forget(id);
    for (const id of picks.ids) if (!slots.has(id)) slots.set(id, freeSlot());
    plant.watch(picks.ids);
    picks.edition += 1;
    seed();
  }

  function forget(id) {
    slots.delete(id);
    seeded.delete(id);
  }

  function freeSlot() {
    const taken = new Set(slots.values());
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    return slot;
  }

  /* Fetch the half hour before; what comes meanwhile is kept by then. */
  async function seed() {
    const wanted = picks.ids.filter((id) => !seeded.has(id));
    if (!wanted.length) return;
    wanted.forEach((id) => seeded.add(id));
    try {
      await catchUp.seed(wanted);
      picks.edition += 1;
    } catch {
      wanted.forEach((id) => seeded.delete(id));
      clock.after(RETRY_MS, seed);
    }
  }

  /* Points that are gone can't be picked any more. */
  function keepKnown() {
    const known = picks.ids.filter((id) => latest.rows.has(id));
    if (known.length !== picks.ids.length) set(known);
  }

  function read(query) {
    const ids = (query.get("points") || "").split(",").map(Number).filter((id) => Number.isInteger(id) && id > 0);
    set([...new Set(ids)]);
  }

  function write(query) {
    if (picks.ids.length) query.set("points", picks.ids.join(","));
  }

  return Object.assign(picks, { isPicked, slotOf, toggle, set, keepKnown, read, write });
})();
