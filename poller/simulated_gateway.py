"""One gateway of the simulated plant: a Modbus TCP port that plays device templates, in health and with faults."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

from models.device_template import DeviceTemplate, ReadLimits, TemplatePoint
from models.gateways import Table
from poller.decode import encode
from poller.faults import ActiveFault, Fault
from poller.modbus_server import (
    DEVICE_FAILURE,
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Listener,
    Refusal,
    Request,
    ServerConnection,
    bits_reply,
    exception_reply,
    frame,
    words_reply,
)
from poller.plant import Quantities, Source

logger = logging.getLogger(__name__)

TABLE_OF_FUNCTION = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
ROUTER_LATENCY_S = (0.002, 0.006)
METER_LATENCY_S = (0.020, 0.060)  # two dozen registers at 9600 baud and the meter's own time
SERIAL_TIMEOUT_S = 1.0  # the gateway waits so long for a meter that does not answer, and the bus waits with it
FLAKY_SLOT_MS = 20_000
FLAKY_SLOTS_PERCENT = 12
FLAKY_LATE_S = 8.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class SimulatedDevice:
    """One unit: the registers of a device template, filled from a source at the instant of each request.

    What the source knows nothing of the device does not have, like the rows that a router's model lacks.
    """

    def __init__(
        self, unit_id: int, template: DeviceTemplate, source: Source, latency_s: tuple[float, float] = METER_LATENCY_S
    ) -> None:
        self.unit_id = unit_id
        self.template = template
        self.latency_s = latency_s
        self.source = source
        self._overrides: dict[str, float | str] = {}
        known = source.quantities(now_ms())
        points = [point for point in template.points if point.key in known and not point.sunspec]
        self._tables = {table: _Registers(table, points, template.limits) for table in Table}

    def read(self, table: Table, address: int, count: int, time_ms: int) -> list[int]:
        """The words (bits of a coil table: 0 or 1) at an instant; raises Refusal as the device would."""
        points = self._tables[table].points_for(address, count)
        shown = {**self.source.quantities(time_ms), **self._overrides}
        words = [0] * count
        for point in points:
            for place, word in enumerate(_words(point, shown), start=point.address - address):
                if 0 <= place < count:
                    words[place] |= word
        return words

    def set_value(self, key: str, value: float | str | None) -> None:
        """Show `value` at a point from now on; None lets it follow the plant again.

        Raises KeyError for an unknown point and ValueError for a value that its registers can't hold.
        """
        point = next((point for point in self.template.points if point.key == key), None)
        if point is None:
            raise KeyError(f"{self.template.key} has no point {key!r}")
        if value is None:
            self._overrides.pop(key, None)
            return
        encode(value, point.encoding)
        self._overrides[key] = value


def _words(point: TemplatePoint, shown: Quantities) -> list[int]:
    value = shown.get(point.key)
    return encode(value if isinstance(value, str) or value is None else float(value), point.encoding)


class _Registers:
    """What can be read from one table of a device, and in which pieces."""

    def __init__(self, table: Table, points: Sequence[TemplatePoint], limits: ReadLimits) -> None:
        here = sorted((point for point in points if point.table is table), key=lambda point: point.address)
        self._alone = {point.address: point for point in here if point.address in limits.read_alone}
        self._points = [point for point in here if point.address not in limits.read_alone]
        self._readable = _readable(self._points, limits.max_gap)
        self._most = limits.max_bits if table.is_bits else limits.max_registers
        self._step = 2 if limits.even_only and not table.is_bits else 1

    def points_for(self, address: int, count: int) -> list[TemplatePoint]:
        """The points that a request touches; raises Refusal where the device would."""
        if not 1 <= count <= self._most or count % self._step:
            raise Refusal(ILLEGAL_VALUE)
        alone = self._alone.get(address)
        if alone is not None and count == alone.word_count:
            return [alone]
        end = address + count
        if not self._readable.issuperset(range(address, end)):
            raise Refusal(ILLEGAL_ADDRESS)
        return [point for point in self._points if point.address < end and address < point.address + point.word_count]


def _readable(points: Sequence[TemplatePoint], max_gap: int) -> frozenset[int]:
    """All addresses with a value, and those between that the template allows to read through."""
    readable: set[int] = set()
    end = None
    for point in points:
        start = point.address if end is None or point.address - end > max_gap else min(end, point.address)
        end = max(end or 0, point.address + point.word_count)
        readable.update(range(start, point.address + point.word_count))
    return frozenset(readable)


class SimulatedGateway:
    """One port with its units; requests take their turn on one serial bus.

    pace: factor on all waiting, 0 in tests. flaky: a bad minute now and then, at times that depend on the name alone.
    """

    def __init__(
        self,
        name: str,
        devices: Sequence[SimulatedDevice],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pace: float = 1.0,
        flaky: bool = False,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.name = name
        self.devices: Mapping[int, SimulatedDevice] = {device.unit_id: device for device in devices}
        self.active_fault = ActiveFault()
        self._listener = Listener(host, port, self._receive)
        self._pace = pace
        self._flaky = flaky
        self._clock_ms = clock_ms
        self._dice = random.Random(crc32(name.encode()))  # noqa: S311  # a game, and the same one every time
        self._bus_free_at = 0.0
        self._unlucky = 0

    @property
    def port(self) -> int:
        return self._listener.port

    async def open(self) -> None:
        """Begin to serve; raises PortUnusable."""
        await self._listener.open()

    def close(self) -> None:
        self._listener.close()

    async def set_fault(self, fault: Fault, argument: int = 0) -> None:
        """Switch to a fault (Fault.NONE: health); it is in force on return."""
        self.active_fault = ActiveFault(fault, argument)
        if fault is Fault.REFUSE:
            self.close()
        else:
            await self.open()

    def _receive(self, connection: ServerConnection, request: Request) -> None:
        """Let the request take its turn on the bus."""
        loop = asyncio.get_running_loop()
        device = None if self._is_silent(request.unit_id) else self.devices.get(request.unit_id)
        wait_s = SERIAL_TIMEOUT_S if device is None else self._dice.uniform(*device.latency_s)
        self._bus_free_at = max(loop.time(), self._bus_free_at) + wait_s * self._pace
        if device is None or self.active_fault.fault is Fault.SILENT:
            return
        late_s = self._late_s()
        if late_s is not None:
            loop.call_at(self._bus_free_at + late_s, self._answer, connection, request, device)

    def _is_silent(self, unit_id: int) -> bool:
        active = self.active_fault
        return active.fault is Fault.METER_SILENT and unit_id == active.effective_argument

    def _late_s(self) -> float | None:
        """How much later than usual the answer comes; None means never."""
        if self.active_fault.fault is Fault.LATE:
            return float(self.active_fault.effective_argument)
        if not self._flaky or not is_bad_moment(self.name, self._clock_ms()):
            return 0.0
        self._unlucky = (self._unlucky + 1) % 4  # every other request: late, well, lost, well
        return {1: FLAKY_LATE_S, 3: None}.get(self._unlucky, 0.0)

    def _answer(self, connection: ServerConnection, request: Request, device: SimulatedDevice) -> None:
        active = self.active_fault
        if active.fault is Fault.EXCEPTION:
            connection.send(frame(request, exception_reply(request, active.effective_argument)))
        elif active.fault is Fault.GARBAGE:
            connection.send(self._dice.randbytes(self._dice.randint(8, 64)))
        elif active.fault is Fault.CUT:
            whole = frame(request, self._reply(request, device))
            connection.send(whole[: len(whole) // 2])
            connection.close()
        elif active.fault is not Fault.SILENT:
            connection.send(frame(request, self._reply(request, device)))

    def _reply(self, request: Request, device: SimulatedDevice) -> bytes:
        try:
            table = TABLE_OF_FUNCTION.get(request.function_code)
            if table is None:
                raise Refusal(ILLEGAL_FUNCTION)
            words = device.read(table, *request.numbers(), self._clock_ms())
        except Refusal as refusal:
            return exception_reply(request, refusal.code)
        except ValueError as error:
            logger.warning("simulated gateway %s: unit %s can't answer (%s)", self.name, device.unit_id, error)
            return exception_reply(request, DEVICE_FAILURE)
        return bits_reply(request, words) if table.is_bits else words_reply(request, words)


def is_bad_moment(name: str, time_ms: int) -> bool:
    """Whether a flaky gateway has a bad moment: about one in eight, each of 20 s, by name and time alone."""
    return crc32(f"{name} {time_ms // FLAKY_SLOT_MS}".encode()) % 100 < FLAKY_SLOTS_PERCENT
