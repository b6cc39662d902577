/* The columns of the page "Live"'s grid: how they sort, and which of them there is room for. */
window.monitor = window.monitor || {};
window.monitor.liveColumns = (() => {
  const LIVE = ["value", "age", "quality"]; // they change by themselves
  const ROW_PX = { comfortable: 36, compact: 26, narrow: 46 };
  const NARROW_PX = 560;
  const { clock, dom, latest, liveBar, liveCells } = monitor;

  function all() {
    const words = { sortable: true, resizable: true, suppressHeaderMenuButton: true, comparator: compareWords };
    const live = { ...words, comparator: compareNumbers };
    return [
      { colId: "pick", headerName: "Pick for the chart", cellRenderer: liveCells.PickCell, width: 36,
        minWidth: 36, maxWidth: 36, resizable: false, sortable: false, suppressHeaderMenuButton: true },
      { ...words, colId: "gateway", headerName: "Gateway", field: "gateway", flex: 3, minWidth: 92 },
      { ...words, colId: "device", headerName: "Device", field: "device", flex: 3, minWidth: 92 },
      { ...words, colId: "point", headerName: "Point", field: "point", flex: 5, minWidth: 110,
        cellRenderer: liveCells.NameCell },
      { ...live, colId: "value", headerName: "Value", valueGetter: ({ data }) => data.value, flex: 4, minWidth: 112,
        type: "rightAligned", cellRenderer: liveCells.ValueCell, equals: () => false },
      { ...live, colId: "age", headerName: "Age", valueGetter: ({ data }) => (data.atMs === null ? null : -data.atMs),
        width: 84, minWidth: 62, type: "rightAligned", cellRenderer: liveCells.AgeCell },
      { ...live, colId: "quality", headerName: "Quality", valueGetter: ({ data }) => qualityRank(data), width: 112,
        minWidth: 92, cellRenderer: liveCells.QualityCell },
      { colId: "line", headerName: "Last 30 min", cellRenderer: liveCells.LineCell, width: 132, minWidth: 90,
        sortable: false, resizable: true, suppressHeaderMenuButton: true },
      { ...words, colId: "group", headerName: "Group", field: "group", flex: 2, minWidth: 80 },
      { ...words, colId: "type", headerName: "Type", field: "kind", width: 110, minWidth: 80 },
      { ...words, colId: "address", headerName: "Address", field: "address", width: 112, minWidth: 80 },
    ];
  }

  function compareWords(one, other) {
    return one.localeCompare(other, undefined, { numeric: true });
  }

  /* Numbers, then texts; what has no value comes last either way. */
  function compareNumbers(one, other, _nodeOne, _nodeOther, isDescending) {
    const last = isDescending ? -1 : 1;
    if (one === null || other === null) return one === other ? 0 : one === null ? last : -last;
    const isText = [one, other].map((value) => typeof value === "string");
    if (isText[0] && isText[1]) return compareWords(one, other);
    if (isText[0] || isText[1]) return isText[0] ? last : -last;
    return one - other;
  }

  /* What needs a look first. */
  function qualityRank(row) {
    return ["suspect", "no value", "stale", "never read", "good"].indexOf(latest.stateOf(row, clock.serverMs()));
  }

  /* In a narrow place the columns that matter least go first; at last only name, value and age are left. */
  function fit(api) {
    const box = document.getElementById("live-grid-box");
    if (!api || !box || !box.clientWidth) return;
    const width = box.clientWidth;
    const isNarrow = width < NARROW_PX;
    const shown = {
      address: width >= 1180, type: width >= 1100, group: width >= 1000, line: width >= 660, quality: !isNarrow,
      device: width >= 760, gateway: width >= 760,
    };
    for (const name of Object.keys(shown)) {
      const column = api.getColumn(name);
      if (column && column.isVisible() !== shown[name]) api.setColumnsVisible([name], shown[name]);
    }
    const hasWhose = !shown.gateway;
    const ageWidth = isNarrow ? 64 : 84;
    if (api.getColumn("age")?.getActualWidth() !== ageWidth) api.setColumnWidths([{ key: "age", newWidth: ageWidth }]);
    dom.attribute(box, "data-narrow", String(hasWhose));
    const height = hasWhose ? ROW_PX.narrow : liveBar.isCompact() ? ROW_PX.compact : ROW_PX.comfortable;
    if (api.getGridOption("rowHeight") !== height) {
      api.setGridOption("rowHeight", height);
      api.resetRowHeights();
    }
  }

  return { LIVE, ROW_PX, all, fit };
})();
