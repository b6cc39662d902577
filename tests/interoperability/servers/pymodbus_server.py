"""pymodbus' simulator in a process of its own.

Standard input: one line of JSON, the contents of each table from address 0 on. Standard output: one line, the port.
"""

import asyncio
import json
import sys

from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

IDENTITY = {0: "pymodbus", 1: "simulator", 2: "3"}


def device_of(contents: dict[str, list[int]]) -> SimDevice:
    """One device for every unit id, with four tables of its own."""
    coils, discretes = ([bool(bit) for bit in contents[name]] for name in ("coil", "discrete"))
    return SimDevice(
        id=0,
        simdata=(
            [SimData(0, values=coils, datatype=DataType.BITS)],
            [SimData(0, values=discretes, datatype=DataType.BITS)],
            [SimData(0, values=contents["holding"], datatype=DataType.REGISTERS)],
            [SimData(0, values=contents["input"], datatype=DataType.REGISTERS)],
        ),
    )


async def serve() -> None:
    device = device_of(json.loads(sys.stdin.readline()))
    identity = ModbusDeviceIdentification(IDENTITY)  # type: ignore[no-untyped-call]
    server = ModbusTcpServer(device, identity=identity, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    sys.stdout.write(f"{server.transport.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serving


if __name__ == "__main__":
    asyncio.run(serve())
