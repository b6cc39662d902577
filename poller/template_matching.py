"""Which device templates a unit may be: by what it says of itself, or by values that make sense."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from models.device_template import DeviceTemplate, TemplatePoint, templates
from models.gateways import DataType
from poller.plausibility import LOOKS_RIGHT, is_usual, plausibility
from poller.sunspec import Chain
from poller.unit_reader import UnitReader

ROUTER = "teltonika-rutos"  # known by other signs than a meter
TELLING_POINTS = (  # values by which a meter shows whose map it has
    *("frequency", "voltage_l1", "voltage_l2", "voltage_l3", "active_power", "power_factor"),
    *("energy_import", "energy_export", "energy_total"),
)
LEAST_FITTING = 3  # of them
BEST_MAPS = "VCU"  # sister models can't be told apart by their values: the map that is known best goes first


class Certainty(IntEnum):
    """How sure a template is a unit's."""

    POSSIBLE = 1  # some of its values make sense
    LIKELY = 2  # all that were tried do
    CERTAIN = 3  # the device says so itself

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Match:
    """A template that may be a unit's, with the reason in words."""

    template: str
    certainty: Certainty
    status: str  # of the template's register map: V vendor document, C code, U unverified
    reason: str
    fitting: int = 0  # values that make sense


async def matching_templates(reader: UnitReader, identification: Mapping[int, str], chain: Chain | None) -> list[Match]:
    """The templates of which the unit says that it is one, else those whose values make sense; the best first.

    identification: what function 43/14 said, by object id.
    """
    meters = [model for key, model in templates().items() if key != ROUTER]
    found = [await _said(reader, model, identification, chain) for model in meters]
    if not any(found):
        found = [await _guessed(reader, model) for model in meters if not model.sunspec_models]
    matches = [match for match in found if match is not None]
    return sorted(
        matches, key=lambda match: (-match.certainty, -match.fitting, BEST_MAPS.index(match.status), match.template)
    )


async def _said(
    reader: UnitReader, model: DeviceTemplate, identification: Mapping[int, str], chain: Chain | None
) -> Match | None:
    """Whether the device itself says that it is of this model."""

    def certain(reason: str) -> Match:
        return Match(model.key, Certainty.CERTAIN, model.status, reason)

    shared = model.sunspec_models & {one.id for one in chain.models} if chain else frozenset()
    if shared:
        return certain(f"its SunSpec chain has model {min(shared)}")
    for rule in (rule for rule in model.identify if not rule.sunspec):
        value = await reader.value(rule.table, rule.address, rule.encoding)
        # a text is no accident, but a number may stand there in another maker's map
        if rule.holds_for(value) and (isinstance(value, str) or await _guessed(reader, model)):
            return certain(f"{rule.table} {rule.address} is {value!r}")
    if _names(model, identification):
        return certain(f"it calls itself {' '.join(identification.values())}")
    return None


def _names(model: DeviceTemplate, identification: Mapping[int, str]) -> bool:
    """Whether function 43/14 named the maker and one of the model's names, such as iEM3155."""
    told = " ".join(identification.values()).casefold()
    names = [name.strip("(),") for name in model.model.casefold().split()]
    models = [name for name in names if any(map(str.isdigit, name)) and any(map(str.isalpha, name))]
    return model.maker.casefold().split()[0] in told and any(name in told for name in models)


async def _guessed(reader: UnitReader, model: DeviceTemplate) -> Match | None:
    """Whether the values that it shows at the addresses of this model are like a meter's."""
    telling = _telling(model)
    fitting = [point for point in telling[:2] if await _fits(reader, point)]
    if not fitting:
        return None
    fitting += [point for point in telling[2:] if await _fits(reader, point)]
    if len(fitting) < LEAST_FITTING or len(fitting) * 2 < len(telling):
        return None
    all_fit = len(fitting) == len(telling)
    return Match(
        model.key,
        Certainty.LIKELY if all_fit else Certainty.POSSIBLE,
        model.status,
        f"{len(fitting)} of {len(telling)} values tried make sense",
        len(fitting),
    )


def _telling(model: DeviceTemplate) -> list[TemplatePoint]:
    """The points that are tried, the surest first."""
    points = {point.key: point for point in model.points if point.enabled and point.scale_register is None}
    return [points[key] for key in TELLING_POINTS if key in points]


async def _fits(reader: UnitReader, point: TemplatePoint) -> bool:
    value = await reader.value(point.table, point.address, point.encoding)
    if value is None or isinstance(value, str):
        return False
    if point.unit in ("V", "Hz"):
        return is_usual(value, point.unit)
    return plausibility(value, value, DataType.FLOAT64, point.unit) >= LOOKS_RIGHT
