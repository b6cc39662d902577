"""What stands in the demo factory: eight gateways, the meters behind them and the loads that hang on those."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from poller.load_curve import Profile
from poller.plant import SINGLE_PHASE, Load, Meter, Router, Source
from poller.read_out import ReadOut

SITE_NAME = "Plant Nord"
TIME_ZONE = "Europe/Berlin"
CONTRACT_POWER_W = 480_000.0
READ_OUT_AT = time(6)

ROUTER = "teltonika-rutos"
SDM120, SDM630 = "eastron-sdm120", "eastron-sdm630"
EM24, EM340 = "carlo-gavazzi-em24", "carlo-gavazzi-em340"
UMG96RM = "janitza-umg96rm"

_NIGHT = 0.18
_QUIET = ((0, _NIGHT), (24, _NIGHT))
_HALF_SATURDAY = ((0, _NIGHT), (5.5, _NIGHT), (6.5, 0.6), (12, 0.6), (14, _NIGHT), (24, _NIGHT))
_TWO_SHIFTS = (
    *((0, _NIGHT), (5, _NIGHT), (6.25, 0.95), (9, 1.0), (9.2, 0.72), (9.5, 0.98), (11.8, 1.0), (12.1, 0.78)),
    *((12.7, 0.97), (13.8, 0.95), (14.1, 0.85), (14.5, 0.98), (18, 0.95), (18.2, 0.75), (18.6, 0.93)),
    *((21.5, 0.88), (22.3, 0.4), (23.2, _NIGHT), (24, _NIGHT)),
)

OVEN = Profile(
    workday=((0, 0.35), (3.5, 0.35), (5, 1.0), (7, 0.9), (21.5, 0.88), (23, 0.35), (24, 0.35)),
    saturday=((0, 0.35), (5, 0.35), (6, 0.7), (13, 0.7), (14.5, 0.35), (24, 0.35)),
    sunday=((0, 0.35), (24, 0.35)),
    rhythm=0.03,
    drift=0.05,
    swing=0.02,
    off_share=0.15,
    cycle_s=240,
)
LINE = Profile(_TWO_SHIFTS, _HALF_SATURDAY, _QUIET, rhythm=0.06, drift=0.07, swing=0.03, flicker=0.01)
PRESS = Profile(
    _TWO_SHIFTS, _HALF_SATURDAY, _QUIET, rhythm=0.08, drift=0.08, swing=0.06, flicker=0.03, off_share=0.22, cycle_s=420
)
ROBOTS = Profile(
    _TWO_SHIFTS, _HALF_SATURDAY, _QUIET, rhythm=0.06, drift=0.06, swing=0.08, flicker=0.05, off_share=0.25, cycle_s=75
)
COMPRESSOR = Profile(
    workday=((0, 0.3), (5, 0.3), (6.3, 0.95), (14, 1.0), (21.8, 0.9), (23, 0.3), (24, 0.3)),
    saturday=((0, 0.3), (6, 0.3), (7, 0.6), (13, 0.6), (14.5, 0.3), (24, 0.3)),
    sunday=((0, 0.3), (24, 0.3)),
    rhythm=0.05,
    drift=0.03,
    off_share=0.4,
    cycle_s=150,
)
AIR = Profile(
    workday=((0, 0.25), (4.5, 0.25), (6, 0.8), (11, 0.92), (15, 1.0), (19, 0.85), (22.5, 0.3), (24, 0.25)),
    saturday=((0, 0.25), (6, 0.25), (8, 0.55), (15, 0.6), (17, 0.25), (24, 0.25)),
    sunday=((0, 0.25), (9, 0.28), (15, 0.35), (20, 0.28), (24, 0.25)),
    rhythm=0.0,
    drift=0.06,
    swing=0.02,
    off_share=0.2,
    cycle_s=360,
)
LIGHTING = Profile(
    workday=((0, 0.2), (5, 0.2), (5.3, 1.0), (22.3, 1.0), (22.8, 0.2), (24, 0.2)),
    saturday=((0, 0.2), (5.6, 0.2), (6, 0.7), (13.8, 0.7), (14.5, 0.2), (24, 0.2)),
    sunday=((0, 0.2), (24, 0.2)),
    rhythm=0.0,
    drift=0.015,
    swing=0.005,
)
CHARGING = Profile(
    workday=((0, 0.7), (3, 0.35), (6, 0.2), (11.8, 0.3), (12.5, 0.9), (13.5, 0.4), (18, 0.6), (22.5, 1.0), (24, 0.7)),
    saturday=((0, 0.7), (5, 0.3), (12, 0.2), (20, 0.4), (24, 0.7)),
    sunday=((0, 0.7), (6, 0.3), (18, 0.3), (24, 0.7)),
    rhythm=0.0,
    drift=0.1,
    swing=0.03,
    off_share=0.3,
    cycle_s=600,
)
KITCHEN = Profile(
    workday=(
        (0, 0.1),
        (5, 0.1),
        (6.5, 0.5),
        (9, 0.6),
        (10.5, 0.9),
        (12.5, 1.0),
        (14, 0.55),
        (18, 0.7),
        (20, 0.1),
        (24, 0.1),
    ),
    saturday=((0, 0.1), (7, 0.1), (9, 0.45), (12, 0.5), (13.5, 0.1), (24, 0.1)),
    sunday=((0, 0.1), (24, 0.1)),
    rhythm=0.0,
    drift=0.12,
    swing=0.06,
    flicker=0.02,
    off_share=0.3,
    cycle_s=200,
)
COLD_ROOM = Profile(
    workday=((0, 0.75), (12, 0.9), (16, 1.0), (24, 0.75)),
    saturday=((0, 0.75), (24, 0.75)),
    sunday=((0, 0.75), (24, 0.75)),
    rhythm=0.0,
    drift=0.03,
    off_share=0.6,
    cycle_s=300,
)


@dataclass(frozen=True)
class DemoMeter:
    """A meter of the demo: its template and what hangs on it; units count from 2 in the order of the list.

    read_out_on: the day of every month on which it is read out and set to zero; None: never.
    """

    name: str
    template: str
    load: Load
    read_out_on: int | None = None

    def source(self, gateway: str, zone: ZoneInfo) -> Source:
        """What it shows, as a function of time."""
        meter = Meter(f"{gateway}/{self.name}", gateway, self.load, zone)
        return meter if self.read_out_on is None else ReadOut(meter, self.read_out_on, READ_OUT_AT, zone)


@dataclass(frozen=True)
class DemoGateway:
    """A gateway of the demo; the router itself is unit 1."""

    name: str
    area: str
    meters: tuple[DemoMeter, ...]
    flaky: bool = False

    @property
    def number(self) -> int:
        """Its place on the control panel and, added to the control port, its own port."""
        return GATEWAYS.index(self) + 1

    def sources(self, zone: ZoneInfo) -> dict[int, Source]:
        """What each unit shows, as functions of time."""
        found: dict[int, Source] = {1: Router(self.name, self.number, zone)}
        for unit_id, meter in enumerate(self.meters, start=2):
            found[unit_id] = meter.source(self.name, zone)
        return found


def _three(name: str, template: str, rated_kw: float, profile: Profile, tangent: float = 0.4) -> DemoMeter:
    return DemoMeter(name, template, Load(rated_kw * 1000, profile, tangent=tangent))


def _single(
    name: str, rated_kw: float, profile: Profile, tangent: float = 0.25, read_out_on: int | None = None
) -> DemoMeter:
    return DemoMeter(name, SDM120, Load(rated_kw * 1000, profile, SINGLE_PHASE, tangent, idle_var=20.0), read_out_on)


GATEWAYS = (
    DemoGateway(
        "Paint shop",
        "Body shop",
        (
            _three("Drying oven", UMG96RM, 36, OVEN, 0.1),
            _three("Booth fans", SDM630, 24, LINE, 0.55),
            _three("Pre-treatment", EM340, 15, LINE, 0.45),
            _single("Lighting", 5, LIGHTING),
        ),
    ),
    DemoGateway(
        "Press line A",
        "Presses",
        (
            _three("Press A1", UMG96RM, 27, PRESS, 0.6),
            _three("Press A2", EM340, 20, PRESS, 0.6),
            _three("Hydraulics A", SDM630, 16, LINE, 0.5),
        ),
    ),
    DemoGateway(
        "Press line B",
        "Presses",
        (
            _three("Press B1", UMG96RM, 28, PRESS, 0.6),
            _three("Press B2", SDM630, 21, PRESS, 0.6),
            _three("Hydraulics B", EM24, 15, LINE, 0.5),
            _single("Scrap conveyor", 4, LINE, 0.6),
        ),
    ),
    DemoGateway(
        "Compressors",
        "Utilities",
        (
            _three("Compressor 1", SDM630, 21, COMPRESSOR, 0.5),
            _three("Compressor 2", EM340, 18, COMPRESSOR, 0.5),
            _three("Cooling pumps", EM24, 7, LINE, 0.5),
            _single("Air dryer", 4, AIR, 0.4),
        ),
    ),
    DemoGateway(
        "HVAC north",
        "Utilities",
        (
            _three("Chiller", UMG96RM, 17, AIR, 0.45),
            _three("Air handling 1", SDM630, 12, AIR, 0.35),
            _three("Air handling 2", EM24, 9, AIR, 0.35),
        ),
    ),
    DemoGateway(
        "Welding",
        "Body shop",
        (
            _three("Robot cell 1", EM340, 16, ROBOTS, 0.7),
            _three("Robot cell 2", EM340, 14, ROBOTS, 0.7),
            _three("Robot cell 3", EM24, 12, ROBOTS, 0.7),
            _three("Robot cell 4", SDM630, 11, ROBOTS, 0.7),
            _three("Extraction", SDM630, 9, LINE, 0.5),
        ),
    ),
    DemoGateway(
        "Warehouse",
        "Utilities",
        (
            _three("Truck charging", EM340, 12, CHARGING, 0.2),
            _single("Lighting", 6, LIGHTING),
        ),
    ),
    DemoGateway(
        "Canteen",
        "Utilities",
        (
            _three("Kitchen", SDM630, 14, KITCHEN, 0.15),
            _single("Cold room", 3, COLD_ROOM, 0.45, read_out_on=21),
        ),
        flaky=True,
    ),
)


class UnknownGateway(LookupError):
    """No gateway of the demo has that name; the message names those there are."""


def gateway_number(name: str) -> int:
    """The number of a demo gateway on the control panel, by its name; raises UnknownGateway."""
    numbers: Mapping[str, int] = {gateway.name.lower(): gateway.number for gateway in GATEWAYS}
    if name.lower() in numbers:
        return numbers[name.lower()]
    close = [GATEWAYS[numbers[found] - 1].name for found in get_close_matches(name.lower(), numbers, n=1)]
    raise UnknownGateway(
        f"the demo has no gateway {name!r}; there is {', '.join(close or [gateway.name for gateway in GATEWAYS])}"
    )
