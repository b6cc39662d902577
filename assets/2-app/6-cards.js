/* Paints a gateway's card from what this page knows now: value, state in words and shape, age, sparkline. */
window.monitor = window.monitor || {};
window.monitor.cards = (() => {
  const SHAPES = { offline: "1", degraded: "3" };
  const { dom, formats, freshness, plant } = monitor;

  const painted = new WeakMap(); // canvas -> what its sparkline shows
  let colours = {};

  /* How a gateway looks at a time, as words and values; it reads the rings and changes nothing. */
  function look(gateway, nowMs) {
    const { powerW, count } = plant.powerNow(gateway.members, nowMs);
    const ageMs = gateway.newestReadingMs === null ? null : Math.max(0, nowMs - gateway.newestReadingMs);
    const fresh = freshness.of(ageMs, gateway.period_ms);
    const state = stateOf(gateway.status, fresh);
    const isAnswering = state === "online" || state === "degraded";
    return {
      state,
      fresh,
      isAnswering,
      powerW: state === "stale" ? lastPowerW(gateway) : isAnswering ? powerW : null,
      isPartial: isAnswering && count < gateway.members.length,
      note: noteOf(gateway, state, count, ageMs, nowMs),
      reason: reasonOf(gateway, state),
    };
  }

  /* The server says how a gateway is; whether its values have grown old on the way here is seen here. */
  function stateOf(status, fresh) {
    if (status !== "online" && status !== "degraded") return status.replace(" ", "-");
    if (fresh === "none") return "waiting";
    return fresh === "stale" ? "stale" : status;
  }

  function lastPowerW(gateway) {
    const values = gateway.members.map(({ ring }) => ring.values[ring.values.length - 1]);
    const known = values.filter((value) => typeof value === "number");
    return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
  }

  function noteOf(gateway, state, count, ageMs, nowMs) {
    const lastSeenMs = gateway.last_seen_at ? Date.parse(gateway.last_seen_at) : null;
    if (state === "offline") return lastSeenMs === null ? "no reply" : `no reply ${formats.span(nowMs - lastSeenMs)}`;
    if (state === "stale") return `last data ${formats.span(ageMs)} ago`;
    if (state === "paused") return pausedFor(gateway, nowMs);
    if (state === "never-seen") return "has not answered yet";
    if (state === "waiting") return "waiting for data";
    return `${meters(gateway, count)} · ${formats.span(ageMs)}`;
  }

  function pausedFor(gateway, nowMs) {
    return gateway.status_since_ms ? `for ${formats.span(nowMs - gateway.status_since_ms)}` : "not polled";
  }

  function meters(gateway, count) {
    const all = gateway.members.length;
    if (!all) return "no power meter";
    if (count < all) return `${count} of ${all} meters`;
    return all === 1 ? "1 meter" : `${all} meters`;
  }

  function reasonOf(gateway, state) {
    if (state === "online" || state === "waiting") return troublesOf(gateway);
    if (state === "stale") return monitor.live.connection().state === "live" ? "no new samples" : "this page is not connected";
    return gateway.reason || "";
  }

  /* Replies that came too late or not at all, though the gateway is well otherwise. */
  function troublesOf(gateway) {
    const troubles = ["late", "lost"].filter((word) => gateway[word]).map((word) => `${formats.number(gateway[word], 0)} ${word}`);
    return troubles.length ? `${troubles.join(", ")} in the last hour` : "";
  }

  /* One card per gateway, in their order, copied from the page's pattern. */
  function arrange() {
    const box = document.getElementById("overview-cards");
    if (!box || box.dataset.edition === String(plant.edition)) return;
    const pattern = document.getElementById("overview-card").firstElementChild;
    const known = new Map([...box.children].map((element) => [Number(element.dataset.gateway), element]));
    box.replaceChildren(...[...plant.gateways.values()].map((gateway) => named(gateway, known, pattern)));
    box.dataset.edition = plant.edition;
  }

  function named(gateway, known, pattern) {
    const element = known.get(gateway.id) || pattern.cloneNode(true);
    element.dataset.gateway = gateway.id;
    dom.text(dom.part(element, "name"), gateway.name);
    dom.text(dom.part(element, "code"), gateway.code);
    return element;
  }

  function paintAll(nowMs) {
    arrange();
    for (const element of document.querySelectorAll("[data-gateway]")) {
      const gateway = plant.gateways.get(Number(element.dataset.gateway));
      if (gateway && gateway.status) paint(element, gateway, look(gateway, nowMs));
    }
    const lines = [...document.querySelectorAll("[data-gateway]")].map((element) => [element, dom.part(element, "sparkline")]);
    const sizes = lines.map(([, canvas]) => monitor.sparkline.sizeOf(canvas)); // all of them before one is drawn
    lines.forEach(([element, canvas], index) => paintSparkline(element, canvas, sizes[index], nowMs));
  }

  function paint(element, gateway, seen) {
    const power = formats.power(seen.powerW);
    const isNormal = seen.state === "online" || seen.state === "waiting";
    dom.attribute(element, "data-state", seen.state);
    dom.attribute(element, "data-fresh", seen.fresh);
    dom.attribute(element, "data-partial", String(seen.isPartial));
    dom.text(dom.part(element, "value"), formats.number(power.value, power.digits));
    dom.text(dom.part(element, "unit"), power.unit);
    dom.text(dom.part(element, "shape"), SHAPES[seen.state] || "");
    dom.text(dom.part(element, "word"), isNormal ? "" : seen.state.replace("-", " "));
    dom.text(dom.part(element, "note"), seen.note);
    dom.text(dom.part(element, "reason"), seen.reason);
    dom.attribute(dom.part(element, "reason"), "title", seen.reason);
    dom.text(dom.part(element, "latency"), seen.isAnswering ? latency(gateway) : "");
    dom.attribute(dom.part(element, "latency"), "title", gateway.link_words || "");
  }

  function latency(gateway) {
    return gateway.latency_p95_ms === null ? "" : `p95 ${formats.number(gateway.latency_p95_ms, 0)} ms`;
  }

  // Sparklines

  /* Drawn only when there is something new to show: a cell, the value of now, a size, a state or a theme. */
  function paintSparkline(element, canvas, size, nowMs) {
    const gateway = plant.gateways.get(Number(element.dataset.gateway));
    if (!gateway || plant.watermarkMs === null || !size.width) return;
    const line = lineOf(gateway, element.dataset.state, nowMs);
    const key = [line.times.length, line.times[line.times.length - 1], line.values[line.values.length - 1],
      gateway.normal_low_w, element.dataset.state, size.width, size.height, colours.edition].join();
    if (painted.get(canvas) === key) return;
    painted.set(canvas, key);
    monitor.sparkline.draw(canvas, { ...line, size, band: bandOf(gateway), colours: coloursOf(element.dataset.state) });
    dom.attribute(canvas, "aria-label", describe(line.values, gateway));
  }

  /* The folded half hour, and the value of now as its end. */
  function lineOf(gateway, state, nowMs) {
    const { times, sums, counts } = gateway.series;
    const endMs = plant.watermarkMs;
    const line = {
      startMs: endMs - plant.WINDOW_MS,
      endMs,
      times: [...times],
      values: sums.map((sum, index) => (counts[index] === gateway.members.length ? sum : null)),
    };
    const { powerW, count } = plant.powerNow(gateway.members, Math.min(nowMs, endMs));
    if ((state === "online" || state === "degraded") && count === gateway.members.length && count) {
      line.times.push(endMs);
      line.values.push(powerW);
    }
    return line;
  }

  function bandOf(gateway) {
    if (gateway.normal_low_w === null || gateway.normal_high_w === null) return null;
    return { low: gateway.normal_low_w, high: gateway.normal_high_w };
  }

  function coloursOf(state) {
    const isFaded = !["online", "degraded", "offline"].includes(state);
    return { line: isFaded ? colours.faded : colours.line, band: isFaded ? colours.fadedBand : colours.band };
  }

  /* Colours live in the style sheet; a canvas can't read it by itself. */
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    colours = {
      edition: (colours.edition || 0) + 1,
      line: read("--m-line-1"),
      band: read("--m-band"),
      faded: read("--m-line-3"),
      fadedBand: read("--m-band-faded"),
    };
  }

  function describe(values, gateway) {
    const known = values.filter((value) => value !== null);
    if (!known.length) return "No power readings in the last 30 minutes";
    const kw = (powerW) => formats.amount(formats.power(powerW));
    const band = bandOf(gateway);
    const normal = band ? `; normal ${kw(band.low)} to ${kw(band.high)}` : "";
    return `Power in the last 30 minutes: ${kw(Math.min(...known))} to ${kw(Math.max(...known))}${normal}`;
  }

  /* What the server knows better: latency and normal ranges. */
  function takeOver(facts) {
    for (const fact of facts || []) plant.gatewayState(fact);
  }

  readColours();
  addEventListener("monitor:theme", readColours);
  return { look, paintAll, takeOver };
})();
