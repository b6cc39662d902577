// node's `ws` as a contender of the fan-out benchmark: each event written once, one send() per client.
// Speaks JSON lines as fan_out_servers.py does.
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { WebSocketServer } = require(path.join(__dirname, "../tests/interoperability/servers/node_modules/ws"));

const BASE_US = 1e15;
const FIRST_POINT = 1000;
const POINTS = 9000;
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, backlog: 4096 });
let number = 0;

function frameOf(count) {
  const point = FIRST_POINT + (count % POINTS);
  const data = {
    reading: {
      id: `${point}-1767225600000`,
      data_point_id: point,
      scaled_value: BASE_US + Number(process.hrtime.bigint() / 1000n),
      quality: 0,
      read_at: "2026-01-01T00:00:00.000Z",
      data_point: { id: point, label: "Active power" },
    },
  };
  return JSON.stringify([{ event: "reading.new", channel: "readings", offset: count + 1, data }]);
}

function send() {
  const frame = Buffer.from(frameOf(number));
  number += 1;
  for (const client of server.clients) client.send(frame, { binary: false });
}

function publish(count, perS) {
  if (!perS) {
    publishAll(count);
    return;
  }
  const startedMs = performance.now();
  let sent = 0;
  const next = () => {
    while (sent < count && sent <= ((performance.now() - startedMs) * perS) / 1000) {
      send();
      sent += 1;
    }
    if (sent < count) setTimeout(next, Math.max(0, (sent * 1000) / perS - (performance.now() - startedMs)));
  };
  next();
}

/* Without a pause, but for the loop's own turns: else no byte would leave before the last event. */
function publishAll(count) {
  if (!count) return;
  send();
  setImmediate(publishAll, count - 1);
}

function threads() {
  return Number(/^Threads:\s*(\d+)/m.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]);
}

function say(figures) {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

server.on("listening", () => say({ port: server.address().port, pids: [process.pid] }));
readline.createInterface({ input: process.stdin })
  .on("line", (line) => {
    const question = JSON.parse(line);
    if ("publish" in question) publish(question.publish, question.per_s);
    say("publish" in question ? {} : { threads: threads() });
  })
  .on("close", () => process.exit());
