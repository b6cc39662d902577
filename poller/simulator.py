"""The simulated plant as a program: `python -m poller.simulator` serves every demo gateway and the control panel."""

import argparse
import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.device_template import template
from poller.control_panel import ControlPanel
from poller.demo_plant import GATEWAYS, ROUTER, TIME_ZONE, DemoGateway
from poller.faults import CONTROL_HOST
from poller.modbus_server import PortUnusable
from poller.simulated_gateway import METER_LATENCY_S, ROUTER_LATENCY_S, SimulatedDevice, SimulatedGateway, now_ms
from poller.succession import Succession, SuccessionFailed

logger = logging.getLogger(__name__)

LOOK_FOR_SUCCESSOR_S = 0.2
DEFAULT_PORT = 15020


class SimulatedPlant:
    """All gateways of the demo on the ports after the control port, where their control panel is."""

    def __init__(
        self,
        control_port: int,
        zone: ZoneInfo,
        *,
        host: str = CONTROL_HOST,
        pace: float = 1.0,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.gateways = [
            SimulatedGateway(
                gateway.name,
                simulated_devices(gateway, zone),
                host=host,
                port=control_port + gateway.number,
                pace=pace,
                flaky=gateway.flaky,
                clock_ms=clock_ms,
            )
            for gateway in GATEWAYS
        ]
        self._parts: list[SimulatedGateway | ControlPanel] = [
            *self.gateways,
            ControlPanel(self.gateways, host, control_port),
        ]

    async def open(self) -> None:
        """Begin to serve all of it; raises PortUnusable with nothing left open."""
        try:
            await asyncio.gather(*(part.open() for part in self._parts))
        except PortUnusable:
            self.close()
            raise

    def close(self) -> None:
        for part in self._parts:
            part.close()

    def set_value(self, gateway_number: int, unit_id: int, key: str, value: float | str | None) -> None:
        """Show `value` at a point from now on; None lets it follow the plant again."""
        self.gateways[gateway_number - 1].devices[unit_id].set_value(key, value)


def simulated_devices(gateway: DemoGateway, zone: ZoneInfo) -> list[SimulatedDevice]:
    """The router and the meters of a demo gateway, playing their templates."""
    keys = {1: ROUTER, **{unit_id: meter.template for unit_id, meter in enumerate(gateway.meters, start=2)}}
    return [
        SimulatedDevice(unit_id, template(keys[unit_id]), source, ROUTER_LATENCY_S if unit_id == 1 else METER_LATENCY_S)
        for unit_id, source in gateway.sources(zone).items()
    ]


class _Parent:
    """The process that started us, seen through a pipe on our standard input; anything else there never dies."""

    def __init__(self) -> None:
        self.is_gone = False
        self._input = 0

    def watch(self) -> None:
        """Notice within the running loop when the pipe's other end closes."""
        with suppress(OSError):
            if stat.S_ISFIFO(os.fstat(self._input).st_mode):
                asyncio.get_running_loop().add_reader(self._input, self._look)

    def _look(self) -> None:
        if not os.read(self._input, 4096):
            asyncio.get_running_loop().remove_reader(self._input)
            self.is_gone = True


async def serve(plant: SimulatedPlant, succession: Succession, linger_s: float) -> None:
    """Serve until SIGTERM or SIGINT; once the parent has gone, for `linger_s` more or until a successor waits.

    Raises PortUnusable and SuccessionFailed.
    """
    loop, stop, parent = asyncio.get_running_loop(), asyncio.Event(), _Parent()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    parent.watch()
    if not await asyncio.to_thread(succession.acquire, lambda: stop.is_set() or parent.is_gone):
        return
    try:
        await plant.open()
        logger.info("simulated plant: serves gateways on ports %s", [gateway.port for gateway in plant.gateways])
        await _until_done(stop, parent, succession, linger_s)
    finally:
        plant.close()
        succession.release()


async def _until_done(stop: asyncio.Event, parent: _Parent, succession: Succession, linger_s: float) -> None:
    loop = asyncio.get_running_loop()
    leave_at: float | None = None
    while not stop.is_set():
        if parent.is_gone:
            if leave_at is None:
                leave_at = loop.time() + linger_s
                logger.warning("simulated plant: its parent is gone, going on for up to %g s", linger_s)
            if loop.time() >= leave_at or succession.is_wanted():
                return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_FOR_SUCCESSOR_S)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} is no IANA time zone; use a name like Europe/Berlin") from error


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m poller.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="control port; the gateways' ports follow it")
    parser.add_argument("--zone", type=_zone, default=ZoneInfo(TIME_ZONE), help="time zone the loads follow")
    parser.add_argument("--linger-s", type=float, default=120.0, help="go on so long after the parent died")
    parser.add_argument("--pace", type=float, default=1.0, help="factor on the gateways' latencies; 0 answers at once")
    parser.add_argument("--lock-folder", type=Path, default=Path("data"), help="where the lock files lie")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is 2 when it can't, with one line that says why."""
    arguments = _arguments(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    plant = SimulatedPlant(arguments.port, arguments.zone, pace=arguments.pace)
    try:
        asyncio.run(serve(plant, Succession(arguments.lock_folder, "simulator"), arguments.linger_s))
    except (PortUnusable, SuccessionFailed) as error:
        last = arguments.port + len(plant.gateways)
        remedy = f"; set MONITOR_DEMO_PORT so that it and the next {len(plant.gateways)} ports are free (now to {last})"
        sys.stderr.write(f"simulated plant: {error}{remedy if isinstance(error, PortUnusable) else ''}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
