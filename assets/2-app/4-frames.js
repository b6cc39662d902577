/* Reads the frames of the socket into the plant, and knows how far the page has read: what was skipped must be fetched. */
window.monitor = window.monitor || {};
window.monitor.frames = (() => {
  const CHANNELS = ["readings", "gateways"];
  const { catchUp, clock, journal, plant, refresh } = monitor;

  let heartbeatMs = 5000;
  let epoch = null; // of the server's numbering; null: not known
  let offsets = {}; // channel -> newest offset seen
  let isGreeted = false; // over this connection
  let isWhole = true; // false while the server's broker is away: only what its own process reads comes through
  let brokerReason = "";

  /* Where to go on, as the socket's address says it. */
  function position() {
    const channels = `channels=${CHANNELS.join(",")}`;
    if (epoch === null) return channels;
    return `${channels}&epoch=${encodeURIComponent(epoch)}&offsets=${CHANNELS.map((name) => offsets[name] || 0).join(",")}`;
  }

  /* A new connection begins: its first frame says hello. */
  function begin() {
    isGreeted = false;
  }

  /* Take over one frame; true when it brought data. */
  function read(envelopes) {
    journal.detail("frames", () => inWords(envelopes));
    greet(envelopes[0]);
    for (const channel of CHANNELS) checkOffsets(channel, envelopes);
    const known = envelopes.filter(({ event }) => Object.hasOwn(receivers, event));
    for (const { event, data } of known) receivers[event](data);
    return known.length > 0;
  }

  /* What a frame holds: how often each event, and the last offset of each channel. */
  function inWords(envelopes) {
    const counts = {};
    for (const { event } of envelopes) counts[event] = (counts[event] || 0) + 1;
    const last = Object.fromEntries(envelopes.filter(({ offset }) => offset).map(({ channel, offset }) => [channel, offset]));
    return `${Object.entries(counts).map(([event, count]) => `${event} x ${count}`).join(", ")} ${JSON.stringify(last)}`;
  }

  /* The first frame says hello. When it got lost (Dash keeps only the newest message) nothing is known of the offsets. */
  function greet({ event, data }) {
    if (event === "hello") {
      heartbeatMs = data.heartbeat_s * 1000;
      clock.heard(data.at);
      if (!data.recovered) startAnew(data.epoch, data.offsets);
      brokerIs(data.broker_is_up !== false, data.broker_reason);
    } else if (!isGreeted) {
      startAnew(null, {});
    }
    isGreeted = true;
  }

  /* The server does not know where we were: its numbers hold from now on, and what lies between must be fetched. */
  function startAnew(itsEpoch, itsOffsets) {
    catchUp.gapFound();
    epoch = itsEpoch;
    offsets = { ...itsOffsets };
  }

  /* When the broker is back all comes through again; what has not must be fetched. */
  function brokerIs(isUp, reason) {
    if (isUp && !isWhole) catchUp.gapFound();
    isWhole = isUp;
    brokerReason = isUp ? "" : reason || "no reason given";
  }

  /* The server's time; while the broker is away it says nothing of how far the readings are known. */
  function heard(serverMs) {
    if (isWhole) plant.heard(serverMs);
    else clock.heard(serverMs);
  }

  /* Offsets count one by one. A jump, or values that were merged away, must be fetched; order does not matter here. */
  function checkOffsets(channel, envelopes) {
    const known = offsets[channel];
    const all = envelopes.filter((envelope) => envelope.channel === channel).map((envelope) => envelope.offset);
    const news = all.filter((offset) => known === undefined || offset > known);
    if (!news.length) return;
    const newest = Math.max(...news);
    if (known === undefined || newest - known !== news.length) catchUp.gapFound();
    offsets[channel] = newest;
  }

  /* What the server has sent so far; more than has come is missing. */
  function checkNewest(channel, newest) {
    if (offsets[channel] === undefined || offsets[channel] >= newest) return;
    catchUp.gapFound();
    offsets[channel] = newest;
  }

  const receivers = {
    snapshot({ readings, gateways }) {
      for (const [id, atMs, value, quality, text] of readings) plant.reading(id, atMs, text ?? value, quality);
      gateways.forEach(plant.gatewayState);
    },
    /* It may repeat what was said before: of several frames at once Dash drops all but the last. */
    heartbeat({ at, offsets: itsOffsets = {}, broker_is_up: isUp, broker_reason: reason }) {
      if (isUp !== undefined) brokerIs(isUp, reason);
      for (const [channel, offset] of Object.entries(itsOffsets)) checkNewest(channel, offset);
      heard(at);
    },
    broker({ is_up: isUp, reason }) {
      brokerIs(isUp, reason);
    },
    "reading.new"({ reading }) {
      const atMs = Date.parse(reading.read_at);
      plant.reading(reading.data_point_id, atMs, reading.scaled_value, reading.quality, reading.data_point.gateway_id);
      heard(atMs);
    },
    "gateway.status-changed"({ gateway, status_change: change, reason }) {
      plant.gatewayState({
        id: gateway.id,
        status: change.current,
        status_since_ms: Date.parse(change.timestamp),
        last_seen_at: gateway.last_seen_at,
        reason,
      });
      refresh.now();
    },
  };

  return {
    begin, position, read, heartbeatMs: () => heartbeatMs, isWhole: () => isWhole, brokerReason: () => brokerReason,
  };
})();
