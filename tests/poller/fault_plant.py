"""The gateway that a fault server plays: two units whose points know what they must read, and which value is wrong."""

from collections.abc import Iterable

from models.gateways import DataPoint, DataType, Device, Gateway, Kind, Quantity, Table, WordOrder
from models.readings import Sample
from poller.modbus import LinkTimes
from poller.plan import GatewayPlan, plan_gateway
from tests.poller.fault_frames import GENERATIONS, Asked, generation_of, value_at
from tests.poller.fault_server import UPTIME_ADDRESS, UPTIME_UNIT

TEMPLATE = "janitza-umg96rm"  # its limits are those of Modbus itself
UNITS = {1: (0, 100, 200), 2: (0, 100)}  # the blocks of each unit by their first address
POINTS_PER_BLOCK = 3
BLOCK_REGISTERS = 2 * POINTS_PER_BLOCK
REQUESTS = sum(len(starts) for starts in UNITS.values())  # of a poll in which nothing happens

Place = tuple[int, int]  # unit, address

UPTIME: Place = (UPTIME_UNIT, UPTIME_ADDRESS)


def make_gateway(port: int, times: LinkTimes, gateway_id: int = 1, release_socket: bool = False) -> Gateway:
    """A gateway on loopback with both units, as it would come from the database."""
    gateway = Gateway(
        id=gateway_id,
        name=f"Fault {gateway_id}",
        host="127.0.0.1",
        port=port,
        poll_interval_s=1.0,
        connect_timeout_s=times.connect_s,
        first_timeout_s=times.first_s,
        shortest_timeout_s=times.shortest_s,
        longest_timeout_s=times.longest_s,
        connect_pause_s=times.connect_pause_s,
        request_gap_s=times.request_gap_s,
        release_socket=release_socket,
        devices=[_device(unit_id) for unit_id in UNITS],
    )
    for device in gateway.devices:
        device.id = device.unit_id
        for point in device.data_points:
            point.id, point.device_id = _point_id((device.unit_id, point.address)), device.id
    return gateway


def make_plan(port: int, times: LinkTimes, gateway_id: int = 1, release_socket: bool = False) -> GatewayPlan:
    return plan_gateway(make_gateway(port, times, gateway_id, release_socket))


def places(unit_id: int, *starts: int) -> set[Place]:
    """The places of the points of these blocks."""
    return {(unit_id, start + 2 * number) for start in starts for number in range(POINTS_PER_BLOCK)}


ALL_PLACES = {place for unit_id, starts in UNITS.items() for place in places(unit_id, *starts)}
_PLACES = dict(enumerate(sorted(ALL_PLACES), start=1))  # by point id


def place_of(sample: Sample) -> Place:
    return _PLACES[sample.data_point_id]


def wrong_samples(samples: Iterable[Sample], answered: Iterable[Asked]) -> list[str]:
    """The samples that are not what one of these requests was rightly answered with, in words."""
    given = [(asked.unit_id, asked.address, asked.count, asked.generation) for asked in answered]
    return [
        f"{sample.value} at unit and address {place_of(sample)}"
        for sample in samples
        if not any(_is_from(sample, *request) for request in given)
    ]


def is_of_its_place(sample: Sample) -> bool:
    """Whether the value names the unit and the address that it was read from; the uptime names none."""
    unit_id, address = place_of(sample)
    if sample.value is None:
        return False
    return (unit_id, address) == UPTIME or int(sample.value) == value_at(
        unit_id, address, generation_of(int(sample.value))
    )


def _is_from(sample: Sample, unit_id: int, start: int, count: int, generation: int) -> bool:
    unit, address = place_of(sample)
    if unit != unit_id or not start <= address < start + count or not is_of_its_place(sample):
        return False
    return (unit, address) == UPTIME or generation_of(int(sample.value or 0)) == generation % GENERATIONS


def _point_id(place: Place) -> int:
    return next(number for number, known in _PLACES.items() if known == place)


def _device(unit_id: int) -> Device:
    points = [_point(unit_id, address) for _, address in sorted(places(unit_id, *UNITS[unit_id]))]
    return Device(unit_id=unit_id, name=f"device {unit_id}", template=TEMPLATE, data_points=points)


def _point(unit_id: int, address: int) -> DataPoint:
    return DataPoint(
        key=f"at_{address}",
        label=f"unit {unit_id} at {address}",
        table=Table.HOLDING if unit_id == 1 else Table.INPUT,
        address=address,
        data_type=DataType.UINT32,
        word_order=WordOrder.ABCD,
        word_count=2,
        scale=1.0,
        offset=0.0,
        not_available=[],
        sunspec_models=[],
        unit="s" if (unit_id, address) == UPTIME else "",
        kind=Kind.INSTANTANEOUS,
        quantity=Quantity.UPTIME if (unit_id, address) == UPTIME else None,
        enabled=True,
        writable=False,
    )
