/* The page "Store": writes its tables from what the server says. */
window.monitor = window.monitor || {};
window.monitor.store = (() => {
  const { rows } = monitor;

  function take(tables) {
    if (!tables) return;
    for (const box of document.querySelectorAll("[data-store-table]")) rows.paint(box, tables[box.dataset.storeTable]);
  }

  return { take };
})();

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.store = { take: monitor.store.take };
