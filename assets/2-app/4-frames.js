/* Reads the frames of the socket into the plant, and knows how far the page has read: what was skipped must be fetched. */
window.monitor = window.monitor || {};
window.monitor.frames = (() => {
  const CHANNELS = ["readings", "gateways"];
  const { catchUp, clock, plant, refresh } = monitor;

  let heartbeatMs = 5000;
  let epoch = null; // of the server's numbering; null: not known
  let offsets = {}; // channel -> newest offset seen

  /* Where to go on, as the socket's address says it. */
  function position() {
    const channels = `channels=${CHANNELS.join(",")}`;
    if (epoch === null) return channels;
    return `${channels}&epoch=${encodeURIComponent(epoch)}&offsets=${CHANNELS.map((name) => offsets[name] || 0).join(",")}`;
  }

  /* Take over one frame; true when it brought data. isFirst: nothing has come over this connection before. */
  function read(envelopes, isFirst) {
    greet(envelopes[0], isFirst);
    for (const channel of CHANNELS) checkOffsets(channel, envelopes);
    const known = envelopes.filter(({ event }) => Object.hasOwn(receivers, event));
    for (const { event, data } of known) receivers[event](data);
    return known.length > 0;
  }

  /* The first frame says hello. When it got lost (Dash keeps only the newest message) nothing is known of the offsets. */
  function greet({ event, data }, isFirst) {
    if (event === "hello") {
      heartbeatMs = data.heartbeat_s * 1000;
      clock.heard(data.at);
      if (!data.recovered) startAnew(data.epoch, data.offsets);
    } else if (isFirst) {
      startAnew(null, {});
    }
  }

  /* The server does not know where we were: its numbers hold from now on, and what lies between must be fetched. */
  function startAnew(itsEpoch, itsOffsets) {
    catchUp.gapFound();
    epoch = itsEpoch;
    offsets = { ...itsOffsets };
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

  const receivers = {
    snapshot({ readings, gateways }) {
      for (const [id, atMs, value, quality] of readings) plant.reading(id, atMs, value, quality);
      gateways.forEach(plant.gatewayState);
    },
    heartbeat({ at }) {
      plant.heard(at);
    },
    "reading.new"({ reading }) {
      const atMs = Date.parse(reading.read_at);
      plant.reading(reading.data_point_id, atMs, reading.scaled_value, reading.quality, reading.data_point.gateway_id);
      plant.heard(atMs);
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

  return { position, read, heartbeatMs: () => heartbeatMs };
})();
