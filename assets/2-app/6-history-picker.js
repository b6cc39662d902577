/* Picks the points of the chart: a list by gateway and device with a search, and the picked ones as chips. */
window.monitor = window.monitor || {};
window.monitor.historyPicker = (() => {
  const MOST_FOUND = 200;
  const { dom, historyState: state, historyWords: words } = monitor;

  let catalogue = null; // {gateways: [{id, name, devices: [{name, points: [[id, label, unit]]}]}], most}
  const opened = new Set();
  let painted = "";

  function take(given) {
    if (!given) return;
    catalogue = given;
    openPicked();
    painted = "";
    paint();
  }

  /* The gateways of the picked points, or the only one. */
  function openPicked() {
    const picked = new Set(state.pointIds());
    for (const { id, devices } of catalogue.gateways) {
      const isPicked = devices.some((device) => device.points.some(([point]) => picked.has(point)));
      if (isPicked || catalogue.gateways.length === 1) opened.add(id);
    }
  }

  function paint() {
    const place = document.getElementById("history-points");
    if (!place || !catalogue) return;
    const search = searchField();
    const picked = state.pointIds();
    const key = JSON.stringify([search.value, picked]);
    dom.text(document.getElementById("history-picked"), picked.length ? `${picked.length} of at most ${catalogue.most}` : "none picked yet");
    if (key === painted && place.children.length) return;
    painted = key;
    const focused = document.activeElement && place.contains(document.activeElement) ? document.activeElement.dataset.pick : null;
    place.replaceChildren(...listOf(search.value.trim().toLocaleLowerCase(), new Set(picked)));
    if (focused) {
      const again = place.querySelector(`[data-pick="${focused}"]`);
      if (again) again.focus();
    }
  }

  function searchField() {
    const place = document.getElementById("history-search");
    if (place.firstChild) return place.firstChild;
    const field = words.make("input", null, "m-field");
    Object.assign(field, { type: "search", placeholder: "Search points", autocomplete: "off", spellcheck: false });
    field.setAttribute("aria-label", "Search points by gateway, meter, name or unit");
    field.addEventListener("input", paint);
    place.append(field);
    return field;
  }

  function listOf(text, picked) {
    if (catalogue.problem) return [words.make("p", catalogue.problem, "m-history-hint")];
    if (!catalogue.gateways.length) return [words.make("p", "There is no gateway with points yet. Add one on the server: python app.py gateway add", "m-history-hint")];
    return text ? found(text.split(/\s+/), picked) : catalogue.gateways.map((gateway) => gatewayOf(gateway, picked));
  }

  /* Points in whose names every word occurs. */
  function found(sought, picked) {
    const groups = [];
    let count = 0;
    for (const gateway of catalogue.gateways) {
      for (const device of gateway.devices) {
        const fitting = device.points.filter((point) => fits(sought, gateway, device, point)).slice(0, MOST_FOUND - count);
        count += fitting.length;
        if (fitting.length) groups.push(deviceOf(`${gateway.name} · ${device.name}`, fitting, picked));
      }
    }
    if (!count) return [words.make("p", `No point is called “${searchField().value.trim()}”. Try a part of its name, its meter or its unit.`, "m-history-hint")];
    if (count === MOST_FOUND) groups.push(words.make("p", `The first ${MOST_FOUND} are shown; type more letters for others.`, "m-history-hint"));
    return groups;
  }

  function fits(sought, gateway, device, [, label, unit]) {
    const text = `${gateway.name} ${device.name} ${label} ${unit}`.toLocaleLowerCase();
    return sought.every((word) => text.includes(word));
  }

  /* A gateway's points are made when it is opened: there may be thousands. */
  function gatewayOf(gateway, picked) {
    const ids = gateway.devices.flatMap((device) => device.points.map(([id]) => id));
    const count = ids.filter((id) => picked.has(id)).length;
    const element = words.make("details", null, "m-history-gateway");
    const summary = words.make("summary");
    summary.dataset.pick = `gateway ${gateway.id}`;
    summary.append(words.make("span", gateway.name), words.make("small", count ? `${count} picked` : `${ids.length}`, "m-figures"));
    element.append(summary);
    const fill = () => {
      if (element.children.length === 1) element.append(...gateway.devices.map((device) => deviceOf(device.name, device.points, picked)));
    };
    element.open = opened.has(gateway.id);
    if (element.open) fill();
    element.addEventListener("toggle", () => {
      opened[element.open ? "add" : "delete"](gateway.id);
      if (element.open) fill();
    });
    return element;
  }

  function deviceOf(name, points, picked) {
    const group = words.make("fieldset", null, "m-history-device");
    group.append(words.make("legend", name), ...points.map((point) => choiceOf(point, picked)));
    return group;
  }

  function choiceOf([id, label, unit], picked) {
    const choice = words.make("label", null, "m-history-choice");
    const box = words.make("input");
    Object.assign(box, { type: "checkbox", checked: picked.has(id) });
    box.dataset.pick = String(id);
    box.disabled = !box.checked && picked.size >= catalogue.most;
    if (box.disabled) choice.title = `At most ${catalogue.most} points are drawn at once; take one away first.`;
    box.addEventListener("change", () => pick(id, box.checked));
    choice.append(box, words.make("span", label), words.make("small", unit));
    return choice;
  }

  function pick(id, isWanted) {
    const others = state.pointIds().filter((one) => one !== id);
    const ids = isWanted ? [...others, id] : others;
    state.change({ points: ids.length ? ids.join(",") : null });
  }

  // Chips

  function paintChips() {
    const place = document.getElementById("history-chips");
    if (!place || !state.answer) return;
    const theme = state.answer.looks[monitor.theme.current()];
    place.replaceChildren(...state.answer.points.map((point) => chipOf(point, theme.points[point.look])));
  }

  function chipOf(point, { line, dash }) {
    const chip = words.make("span", null, "m-history-chip");
    chip.style.setProperty("--m-swatch", line);
    chip.dataset.dash = dash === "solid" ? "solid" : "dotted";
    const name = words.make("span", words.name(point));
    if (point.unit) name.append(words.make("small", ` ${point.unit}`));
    chip.append(name, words.button("×", `Take ${words.name(point)} out of the chart`, () => pick(point.id, false), "m-history-remove"));
    return chip;
  }

  /* Up and down go from one to the next, from the search too. */
  document.addEventListener("keydown", (event) => {
    const isUp = event.key === "ArrowUp";
    const panel = document.getElementById("history-picker");
    if (!(isUp || event.key === "ArrowDown") || !panel || !panel.contains(event.target)) return;
    const all = [...panel.querySelectorAll("input[type=search], summary[data-pick], input[type=checkbox]:not(:disabled)")].filter((one) => one.offsetParent);
    const next = all[all.indexOf(event.target) + (isUp ? -1 : 1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  addEventListener("monitor:theme", paintChips);
  return { take, paint, paintChips, pick };
})();
