"""The plant of the polling benchmark as our poller knows it: gateways, devices and points, and the plans of them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import insert

from benchmarks.polling_points import BLOCKS, POINT_COUNT, UNIT, Block, host_of
from models.database import Database
from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Quantity, Site, Table, WordOrder
from poller.modbus import Connection
from poller.plan import GatewayPlan, plan_gateway
from poller.poll import Link

TEMPLATE = "janitza-umg96rm"  # of its limits only: 125 registers at once, no rest between requests
INTERVAL_S = 1.0
TYPES = {
    "f": (DataType.FLOAT32, WordOrder.ABCD),
    "i": (DataType.INT32, WordOrder.ABCD),
    "h": (DataType.INT16, WordOrder.AB),
    "Q": (DataType.UINT64, WordOrder.ABCDEFGH),
}

Fields = dict[str, Any]


def plan_of(number: int, port: int, interval_s: float = INTERVAL_S) -> GatewayPlan:
    """The plan of a gateway of the lean simulator, made by the same function as every plan."""
    points = [DataPoint(**fields) for fields in point_fields(number)]
    gateway = Gateway(**gateway_fields(number, port, interval_s))
    gateway.devices = [Device(**device_fields(number), data_points=points)]
    return plan_gateway(gateway)


def link_of(plan: GatewayPlan) -> Link:
    return Link(Connection(plan.host, plan.port, plan.times))


def add_plant(database: Database, count: int, port: int, interval_s: float = INTERVAL_S) -> None:
    """Write so many gateways into an empty database."""
    numbers = range(count)
    with database.write() as session:
        session.execute(insert(Site), [{"id": 1, "name": "Benchmark", "time_zone": "UTC"}])
        session.execute(insert(Gateway), [gateway_fields(n, port, interval_s) | {"site_id": 1} for n in numbers])
        session.execute(insert(Device), [device_fields(n) for n in numbers])
        session.execute(insert(DataPoint), [fields for n in numbers for fields in point_fields(n)])


def gateway_fields(number: int, port: int, interval_s: float) -> Fields:
    return {
        "id": number + 1,
        "name": f"Gateway {number + 1}",
        "host": host_of(number),
        "port": port,
        "poll_interval_s": interval_s,
        "connect_timeout_s": 10.0,
        "first_timeout_s": 5.0,
        "shortest_timeout_s": 1.5,
        "longest_timeout_s": 30.0,
        "connect_pause_s": 0.0,
        "request_gap_s": 0.0,
        "release_socket": False,
        "enabled": True,
    }


def device_fields(number: int) -> Fields:
    return {"id": number + 1, "gateway_id": number + 1, "unit_id": UNIT, "template": TEMPLATE, "name": "Meter"}


def point_fields(number: int) -> Iterator[Fields]:
    """The points of a gateway in the order of BLOCKS; every default is spelt out, for an object in no database."""
    first_id = number * POINT_COUNT + 1
    places = [(block, index) for block in BLOCKS for index in range(block.count)]
    for offset, (block, index) in enumerate(places):
        yield {"id": first_id + offset, "device_id": number + 1} | _fields_of_place(block, index)


def _fields_of_place(block: Block, index: int) -> Fields:
    data_type, word_order = TYPES[block.kind]
    is_counter = block.kind == "Q"
    return {
        "key": f"point_{block.address + index}",
        "label": f"Point {block.address + index}",
        "table": Table.HOLDING,
        "address": block.address + index * block.words_per_value,
        "data_type": data_type,
        "word_order": word_order,
        "word_count": block.words_per_value,
        "bit": None,
        "scale": 1 / block.divisor,
        "offset": 0.0,
        "not_available": [0x7FFF] if block.kind == "h" else [],
        "unit": "kWh" if is_counter else "",
        "kind": Kind.COUNTER if is_counter else Kind.INSTANTANEOUS,
        "quantity": Quantity.ENERGY_IMPORT if is_counter and index == 0 else None,
        "plausible_min": -1e15,
        "plausible_max": 1e15,
        "enabled": True,
        "scale_address": None,
        "sunspec_models": [],
        "modulus": None,
        "writable": False,
    }
