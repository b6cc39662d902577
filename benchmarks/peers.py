"""The contenders of the polling benchmark, each in a process of its own, all with the same work.

    python benchmarks/peers.py CONTENDER --port PORT --gateways N

Work: poll gateways of the lean simulator, decode 30 points to numbers, and compare them with what the gateway holds.
A contender polls as its users would, and as fast as it goes: one coroutine per gateway where it is asynchronous, one
gateway after the other where it blocks. It uses its own converters where it has any, else one `struct` per block.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.polling_points import BLOCKS, UNIT, Block, host_of, values_of
from benchmarks.polling_turns import (
    TIMEOUT_S,
    Asynchronous,
    AsyncPoll,
    Blocking,
    BlockingPoll,
    Contender,
    Epoll,
    Target,
    Values,
    divided,
    from_words,
)

OURS = "ours"
OURS_ON_ASYNCIO = "ours on asyncio"
PYMODBUS = "pymodbus, coalesced"
PYMODBUS_PER_POINT = "pymodbus, one request per point"
FLOOR = "bare epoll loop"


async def with_pymodbus(target: Target) -> AsyncPoll:
    """As shipped: its defaults, its converters, one request per block."""
    client = await _pymodbus_client(target)
    kinds = _pymodbus_kinds(client)

    async def poll() -> Values:
        values: list[float] = []
        for block in BLOCKS:
            reply = await client.read_holding_registers(block.address, count=block.registers, device_id=UNIT)
            values += divided(block, client.convert_from_registers(reply.registers, kinds[block.kind]))
        return values

    return poll


async def with_pymodbus_per_point(target: Target) -> AsyncPoll:
    """As shipped, one request per value: what most first programs do."""
    client = await _pymodbus_client(target)
    kinds = _pymodbus_kinds(client)

    async def poll() -> Values:
        values: list[float] = []
        for block, address in _every_value():
            reply = await client.read_holding_registers(address, count=block.words_per_value, device_id=UNIT)
            values += divided(block, [client.convert_from_registers(reply.registers, kinds[block.kind])])
        return values

    return poll


def _every_value() -> Iterator[tuple[Block, int]]:
    """Each value's block and address."""
    for block in BLOCKS:
        for index in range(block.count):
            yield block, block.address + index * block.words_per_value


async def _pymodbus_client(target: Target) -> Any:
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient(target.host, port=target.port, timeout=TIMEOUT_S)
    await client.connect()
    return client


def _pymodbus_kinds(client: Any) -> dict[str, Any]:
    types = client.DATATYPE
    return {"f": types.FLOAT32, "i": types.INT32, "h": types.INT16, "Q": types.UINT64}


def with_pymodbustcp(target: Target) -> BlockingPoll:
    """Its client and its converters."""
    from pyModbusTCP import utils  # type: ignore[import-untyped]
    from pyModbusTCP.client import ModbusClient  # type: ignore[import-untyped]

    client = ModbusClient(target.host, target.port, UNIT, TIMEOUT_S)
    convert: dict[str, Callable[[list[int]], list[float]]] = {
        "f": lambda words: [utils.decode_ieee(long) for long in utils.word_list_to_long(words)],
        "i": lambda words: utils.get_list_2comp(utils.word_list_to_long(words), 32),
        "h": lambda words: utils.get_list_2comp(words, 16),
        "Q": lambda words: utils.word_list_to_long(words, long_long=True),
    }

    def poll() -> Values:
        values: list[float] = []
        for block in BLOCKS:
            words = client.read_holding_registers(block.address, block.registers)
            values += divided(block, convert[block.kind](words))
        return values

    return poll


def with_umodbus(target: Target) -> BlockingPoll:
    """Its functions over a socket of one's own; it has no converters."""
    from umodbus.client import tcp  # type: ignore[import-untyped]

    sock = socket.create_connection((target.host, target.port), TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def poll() -> Values:
        values: list[float] = []
        for block in BLOCKS:
            request = tcp.read_holding_registers(UNIT, block.address, block.registers)
            values += from_words(block, tcp.send_message(request, sock))
        return values

    return poll


async def with_async_modbus(target: Target) -> AsyncPoll:
    """Its client over asyncio's streams; it has no converters."""
    from async_modbus import AsyncTCPClient  # type: ignore[import-untyped]

    client = AsyncTCPClient(await asyncio.open_connection(target.host, target.port))

    async def poll() -> Values:
        values: list[float] = []
        for block in BLOCKS:
            words = await client.read_holding_registers(UNIT, block.address, block.registers)
            values += from_words(block, words)
        return values

    return poll


async def with_ours(target: Target) -> AsyncPoll:
    """The product's own walk over a gateway, from its plan to samples with time and quality."""
    from benchmarks.polling_plans import link_of, plan_of
    from poller.poll import poll_gateway

    plan = plan_of(target.number, target.port)
    link = link_of(plan)

    async def poll() -> Values:
        polled = await poll_gateway(plan, link)
        if polled is None or polled.error:
            raise RuntimeError(f"{target.host}: {polled and polled.error}")
        return [sample.value for sample in polled.samples]

    return poll


def _ours_as_it_runs(targets: Sequence[Target]) -> Contender:
    from poller.garbage import collect_rarely, set_apart
    from poller.loop import new_event_loop

    collect_rarely()
    contender = Asynchronous(targets, with_ours, new_event_loop)
    set_apart()
    return contender


CONTENDERS: dict[str, Callable[[Sequence[Target]], Contender]] = {
    OURS: _ours_as_it_runs,
    OURS_ON_ASYNCIO: lambda targets: Asynchronous(targets, with_ours),
    PYMODBUS: lambda targets: Asynchronous(targets, with_pymodbus),
    PYMODBUS_PER_POINT: lambda targets: Asynchronous(targets, with_pymodbus_per_point),
    "async-modbus": lambda targets: Asynchronous(targets, with_async_modbus),
    "umodbus": lambda targets: Blocking(targets, with_umodbus),
    "pyModbusTCP": lambda targets: Blocking(targets, with_pymodbustcp),
    FLOOR: Epoll,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--gateways", type=int, default=20)
    parser.add_argument("--core", type=int)
    wanted = parser.parse_args()
    if wanted.core is not None:
        os.sched_setaffinity(0, {wanted.core})
    targets = [Target(n, host_of(n), wanted.port, values_of(n)) for n in range(wanted.gateways)]
    contender = CONTENDERS[wanted.contender](targets)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        cpu, wall = process_time(), perf_counter()
        polls = contender.turn(json.loads(line)["cpu_s"])
        print(json.dumps({"polls": polls, "cpu_s": process_time() - cpu, "wall_s": perf_counter() - wall}), flush=True)


if __name__ == "__main__":
    main()
