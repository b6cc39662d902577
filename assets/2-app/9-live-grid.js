/* The page "Live": the grid of the latest values, what is picked of it, and its address.
   The grid itself is AG Grid within Dash's component; its rows and cells are ours to write, so that no value passes Dash. */
window.monitor = window.monitor || {};
window.monitor.liveGrid = (() => {
  const GRID_ID = "live-grid";
  const EVERY_MS = 1000; // ages, lines, chart
  const ARRANGE_EVERY_MS = 2000; // rows that are sorted or filtered by what changes
  const LOAD_WITHIN_MS = 20000;
  const { clock, dom, latest, liveBar, liveCells, liveChart, liveColumns, liveFilters, livePanel, livePicks } = monitor;

  const grid = { api: null, frames: 0, updates: 0 };
  const changed = new Set(); // rows with a newer reading than the grid knows
  let frame = null;
  let shownEdition = -1;
  let arrangedMs = 0;
  let watching = null; // the size of the grid's place
  let sort = null; // of the address, until the grid has it

  // Mounting: Dash calls `mount` each time the page is shown

  async function mount() {
    leave();
    const library = loadLibrary();
    begin();
    try {
      await library;
    } catch {
      say("The grid's program could not be loaded. Reload the page; if that does not help, look at the server's log.");
      return null;
    }
    waitForGrid();
    return { namespace: "dash_ag_grid", type: "AgGrid", props: gridProps() };
  }

  /* Once per page; Dash does not load it for pages that have no grid. */
  function loadLibrary() {
    if (window.dash_ag_grid) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = document.getElementById("live-grid-box").dataset.library;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
      setTimeout(reject, LOAD_WITHIN_MS);
    });
  }

  /* Nothing of the grid is told to Dash: what it would be told with each change is copied there and kept. */
  function gridProps() {
    const silent = ["onSelectionChanged", "onCellClicked", "onCellDoubleClicked", "onFilterChanged", "onSortChanged",
      "onRowDataUpdated", "onDisplayedColumnsChanged", "onColumnResized", "onAsyncTransactionsFlushed",
      "onPaginationChanged", "onGridSizeChanged"];
    return {
      id: GRID_ID,
      getRowId: "params.data.id",
      selectedRows: null,
      style: { height: "100%" },
      dashGridOptions: {
        ...Object.fromEntries(silent.map((name) => [name, null])),
        suppressModelUpdateAfterUpdateTransaction: true, // rows don't jump with each value; see arrange
        asyncTransactionWaitMillis: 0,
        suppressNoRowsOverlay: true,
        suppressColumnVirtualisation: true,
        suppressMovableColumns: true,
        enableCellTextSelection: true,
        animateRows: false,
        rowBuffer: 4,
        headerHeight: 32,
        rowHeight: liveColumns.ROW_PX.comfortable,
      },
    };
  }

  /* All but the grid, whose program is still on its way. */
  function begin() {
    const page = document.getElementById("live");
    livePicks.most = Number(page.dataset.mostPicked);
    readAddress();
    liveBar.build(document.getElementById("live-bar"), filtersChanged);
    livePanel.build(document.getElementById("live-picked"), unpick);
    latest.start(rowChanged);
    liveChart.start();
    paintTheme();
  }

  async function waitForGrid() {
    const api = await dash_ag_grid.getApiAsync(GRID_ID);
    const box = document.getElementById("live-grid-box");
    if (!box || api.isDestroyed()) return;
    grid.api = api;
    prepare(api);
    watching = new ResizeObserver(() => liveColumns.fit(grid.api));
    watching.observe(box);
    tick();
  }

  /* The page is shown no more: nothing is kept up for it. */
  function leave() {
    if (watching) watching.disconnect();
    watching = null;
    grid.api = null;
    changed.clear();
    shownEdition = -1;
    livePanel.forget();
    latest.stop();
    liveChart.stop();
    if (livePicks.ids.length) livePicks.set([]);
  }

  function prepare(api) {
    api.setGridOption("columnDefs", liveColumns.all());
    api.setGridOption("isExternalFilterPresent", () => true);
    api.setGridOption("doesExternalFilterPass", ({ data }) => liveFilters.passes(data, clock.serverMs()));
    api.setGridOption("tabToNextCell", () => false); // the arrow keys walk; Tab leaves
    api.setGridAriaProperty("label", "Latest value of every point; arrow keys walk, space picks for the chart");
    api.addEventListener("sortChanged", writeAddress);
    api.addEventListener("cellKeyDown", keyPressed);
    api.addEventListener("modelUpdated", countRows);
    if (sort) api.applyColumnState({ state: [sort], defaultState: { sort: null } });
  }

  function keyPressed({ data, event }) {
    if (event.key !== " " || event.target.tagName === "INPUT") return;
    event.preventDefault();
    pick(data);
  }

  // Values

  function rowChanged(row) {
    changed.add(row);
    if (frame === null) frame = requestAnimationFrame(flush);
  }

  /* Once per animation frame, and so never while the page is hidden: only the rows that have changed. */
  function flush() {
    frame = null;
    if (!grid.api || grid.api.isDestroyed() || shownEdition !== latest.edition) return;
    grid.frames += 1;
    grid.updates += changed.size;
    grid.api.applyTransactionAsync({ update: [...changed] });
    changed.clear();
  }

  /* Other rows, as when the plant has been changed. */
  function showRows() {
    shownEdition = latest.edition;
    changed.clear();
    grid.api.setGridOption("rowData", [...latest.rows.values()]);
    if (latest.state === "ready") livePicks.keepKnown();
    liveBar.paint();
    writeAddress();
  }

  /* Rows that are sorted or filtered by what changes take their places now and then: at once they could not be read. */
  function arrange() {
    const isSorted = grid.api.getColumnState().some(({ colId, sort: way }) => way && liveColumns.LIVE.includes(colId));
    if (!isSorted && !liveFilters.isOfState()) return;
    if (clock.steadyMs() - arrangedMs < ARRANGE_EVERY_MS * clock.scale) return;
    arrangedMs = clock.steadyMs();
    grid.api.onFilterChanged();
    if (isSorted) grid.api.refreshClientSideRowModel("sort");
  }

  function filtersChanged() {
    if (!grid.api) return;
    grid.api.onFilterChanged();
    liveColumns.fit(grid.api);
    writeAddress();
    paintWords();
  }

  function countRows() {
    if (grid.api && !grid.api.isDestroyed()) liveBar.paintCount(grid.api.getDisplayedRowCount());
  }

  // What stands in the grid's place while there is nothing in it

  function paintWords() {
    const place = document.getElementById("live-place");
    if (!place) return;
    const state = stateOfPlace();
    const key = `${state} ${latest.cause}`;
    if (place.dataset.said === key) return;
    place.dataset.said = key;
    place.dataset.state = state;
    const box = document.getElementById("live-words");
    const { make, button } = liveBar;
    if (state === "loading") return say("Loading the points ...");
    if (state === "failed") {
      say(`The points can't be fetched: ${latest.cause}. Tried again every 5 s.`, button("Try now", "m-button", latest.fetchRows));
    } else if (state === "no-gateway") {
      say("No gateway yet", "Add the first one on the server, and it is polled at once: ",
        make("code", "", document.getElementById("live").dataset.addGateway));
    } else if (state === "no-point") {
      say("No data point yet", "None of the gateways has a device with points.");
    } else if (state === "no-match") {
      say("No point matches these filters.", button("Clear filters", "m-button", liveBar.clear));
    } else box.replaceChildren();
  }

  function stateOfPlace() {
    if (latest.state === "failed") return "failed";
    if (latest.state !== "ready" || !grid.api) return "loading";
    if (!latest.rows.size) return latest.gatewayCount ? "no-point" : "no-gateway";
    return grid.api.getDisplayedRowCount() === 0 && liveFilters.isAny() ? "no-match" : "shown";
  }

  function say(title, ...more) {
    const box = document.getElementById("live-words");
    if (!box) return;
    const words = liveBar.make("p");
    words.append(...more);
    box.replaceChildren(liveBar.make("h2", "", title), words);
  }

  // What is picked

  function pick(row) {
    announce(livePicks.toggle(row));
    liveCells.paint(clock.serverMs());
    livePanel.paint();
    writeAddress();
  }

  function announce(words) {
    dom.text(document.getElementById("live-spoken"), words);
  }

  function unpick(ids) {
    livePicks.set(livePicks.ids.filter((id) => !ids.includes(id)));
    announce(livePicks.ids.length ? "" : "The chart is empty");
    liveCells.paint(clock.serverMs());
    livePanel.paint();
    writeAddress();
  }

  // The address: what is filtered, sorted and picked

  function readAddress() {
    const query = new URLSearchParams(location.search);
    liveFilters.read(query);
    livePicks.read(query);
    const [colId, way] = (query.get("sort") || "").split("-");
    sort = colId && ["asc", "desc"].includes(way) ? { colId, sort: way } : null;
  }

  function writeAddress() {
    if (!grid.api || location.pathname !== "/live") return;
    const query = new URLSearchParams();
    liveFilters.write(query);
    const sorted = grid.api.getColumnState().find((column) => column.sort);
    if (sorted) query.set("sort", `${sorted.colId}-${sorted.sort}`);
    livePicks.write(query);
    const words = query.toString().replaceAll("%2C", ",");
    history.replaceState(history.state, "", `${location.pathname}${words ? `?${words}` : ""}`);
  }

  /* The colours of the slots, where the style sheet finds them. */
  function paintTheme() {
    const page = document.getElementById("live");
    if (!page) return;
    JSON.parse(page.dataset.looks)[monitor.theme.current()].lines.forEach(({ color, dash }, slot) => {
      page.style.setProperty(`--m-slot-${slot}`, color);
      page.style.setProperty(`--m-dash-${slot}`, dash === "solid" ? "solid" : "dotted");
    });
    livePanel.paintChart();
  }

  /* Once a second, while somebody looks. */
  function tick() {
    const page = document.getElementById("live");
    if (!page) return latest.state === "idle" ? undefined : leave();
    if (document.hidden) return undefined;
    if (latest.isOutdated()) latest.fetchRows();
    paintWords();
    if (!grid.api || grid.api.isDestroyed()) return undefined;
    if (shownEdition !== latest.edition) showRows();
    arrange();
    liveCells.age(clock.serverMs());
    latest.seedLines(liveCells.rowsInSight());
    livePanel.paint();
    countRows();
    paintWords();
    return undefined;
  }

  setInterval(tick, EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    flush();
    tick();
  });
  addEventListener("monitor:theme", () => requestAnimationFrame(paintTheme));
  addEventListener("monitor:pick", ({ detail }) => pick(detail));
  return Object.assign(grid, { mount, tick, pick });
})();

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.liveGrid = { mount: monitor.liveGrid.mount };
