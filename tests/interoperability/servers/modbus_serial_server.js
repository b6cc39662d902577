// A server made of npm's modbus-serial, in a process of its own.
//
// Standard input: one line of JSON, the contents of each table from address 0 on. Standard output: one line, the port.
"use strict";

const net = require("net");
const readline = require("readline");
const { ServerTCP } = require("modbus-serial");

const HOST = "127.0.0.1";
const ILLEGAL_ADDRESS = 2;
const IDENTITY = { 0: "modbus-serial", 1: "ServerTCP", 2: "8" };

function cell(table, address) {
  if (address >= table.length) throw Object.assign(new Error("no such address"), { modbusErrorCode: ILLEGAL_ADDRESS });
  return table[address];
}

function put(table, address, value) {
  cell(table, address);
  table[address] = value;
}

function serve(contents, port) {
  const server = new ServerTCP(
    {
      getCoil: (address) => Boolean(cell(contents.coil, address)),
      getDiscreteInput: (address) => Boolean(cell(contents.discrete, address)),
      getHoldingRegister: (address) => cell(contents.holding, address),
      getInputRegister: (address) => cell(contents.input, address),
      setCoil: (address, value) => put(contents.coil, address, value),
      setRegister: (address, value) => put(contents.holding, address, value),
      readDeviceIdentification: () => IDENTITY,
    },
    { host: HOST, port },
  );
  server.on("initialized", () => console.log(port));
  server.on("socketError", () => undefined);
}

// The server takes port 0 for 502, so a free port is found beforehand.
function withFreePort(use) {
  const probe = net.createServer().listen(0, HOST, () => {
    const { port } = probe.address();
    probe.close(() => use(port));
  });
}

readline.createInterface({ input: process.stdin }).once("line", (line) => {
  withFreePort((port) => serve(JSON.parse(line), port));
});
