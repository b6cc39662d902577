"""Fixtures for what talks Modbus: simulated gateways on real sockets, served by a thread of their own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

import pytest

from models.device_template import template
from poller.demo_plant import LINE, ROUTER
from poller.faults import Fault
from poller.plant import SINGLE_PHASE, Load, Meter, Router, Source
from poller.simulated_gateway import METER_LATENCY_S, ROUTER_LATENCY_S, SimulatedDevice, SimulatedGateway, now_ms

BERLIN = ZoneInfo("Europe/Berlin")
ONE_ROUTER_ONE_METER = {1: ROUTER, 2: "eastron-sdm630"}

Result = TypeVar("Result")


class ServingThread:
    """An event loop in a thread, for servers that a test talks to."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated gateways", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class RunningGateway:
    """A simulated gateway that serves on 127.0.0.1:`port`, with its faults and values in the test's hand."""

    host = "127.0.0.1"

    def __init__(self, gateway: SimulatedGateway, thread: ServingThread) -> None:
        self.gateway = gateway
        self._thread = thread
        thread.run(gateway.open())
        self.name, self.port = gateway.name, gateway.port

    def set_fault(self, fault: Fault, argument: int = 0) -> None:
        """In force on return; Fault.NONE heals."""
        self._thread.run(self.gateway.set_fault(fault, argument))

    def set_value(self, unit_id: int, key: str, value: float | str | None) -> None:
        """Show this value from the next request on; None follows the plant again."""
        self._thread.run(self._set_value(unit_id, key, value))

    def close(self) -> None:
        self._thread.run(self._close())

    async def _set_value(self, unit_id: int, key: str, value: float | str | None) -> None:
        self.gateway.devices[unit_id].set_value(key, value)

    async def _close(self) -> None:
        self.gateway.close()


class StartGateway(Protocol):
    """Starts a gateway with these templates by unit; see SimulatedGateway for the rest."""

    def __call__(
        self,
        templates: Mapping[int, str] = ...,
        *,
        name: str = ...,
        pace: float = ...,
        flaky: bool = ...,
        clock_ms: Callable[[], int] = ...,
    ) -> RunningGateway: ...


@pytest.fixture
def serving_thread() -> Iterator[ServingThread]:
    thread = ServingThread()
    yield thread
    thread.stop()


@pytest.fixture
def simulated_gateway(serving_thread: ServingThread) -> Iterator[StartGateway]:
    """A factory of gateways on free ports; they answer at once unless `pace` is given."""
    running: list[RunningGateway] = []

    def start(
        templates: Mapping[int, str] = ONE_ROUTER_ONE_METER,
        *,
        name: str = "Test gateway",
        pace: float = 0.0,
        flaky: bool = False,
        clock_ms: Callable[[], int] = now_ms,
    ) -> RunningGateway:
        devices = [simulated_device(name, unit_id, key) for unit_id, key in templates.items()]
        gateway = SimulatedGateway(name, devices, pace=pace, flaky=flaky, clock_ms=clock_ms)
        running.append(RunningGateway(gateway, serving_thread))
        return running[-1]

    yield start
    for gateway in running:
        gateway.close()


def simulated_device(gateway_name: str, unit_id: int, template_key: str) -> SimulatedDevice:
    """A device that plays a template with a load of 12 kW behind it."""
    model = template(template_key)
    source: Source = Router(gateway_name, 1, BERLIN)
    if template_key != ROUTER:
        has_three = any(point.key == "voltage_l2" for point in model.points)
        load = Load(12_000.0, LINE) if has_three else Load(4_000.0, LINE, SINGLE_PHASE)
        source = Meter(f"{gateway_name}/{unit_id}", gateway_name, load, BERLIN)
    return SimulatedDevice(unit_id, model, source, ROUTER_LATENCY_S if template_key == ROUTER else METER_LATENCY_S)
