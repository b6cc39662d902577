"""The one way to send a value with its unit to a page: the browser writes the number as its locale does."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

from models.database import to_ms

Words: TypeAlias = list[Any]  # of a note: words as str, amounts and times as JSON

SIZES = ("kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Amount:
    """A value as people see it. digits: decimals that are shown; value None: there is none, never 0."""

    value: float | None
    unit: str = ""
    digits: int = 0

    def json(self) -> dict[str, Any]:
        return asdict(self)


def power(power_w: float | None) -> Amount:
    """Watts in kW, with a resolution that suits the size."""
    return Amount(None if power_w is None else power_w / 1000, "kW", _digits((power_w or 0.0) / 1000))


def energy(energy_kwh: float | None) -> Amount:
    return Amount(energy_kwh, "kWh", _digits(energy_kwh or 0.0))


def percent(share: float, digits: int = 0) -> Amount:
    """A share (1.0 is all of it) in percent."""
    return Amount(share * 100, "%", digits)


def count(number: float) -> Amount:
    return Amount(number)


def milliseconds(duration_ms: float | None) -> Amount:
    return Amount(duration_ms, "ms")


def size(amount_bytes: float | None) -> Amount:
    """Bytes in kB, MB, GB or TB (of 1,000), with a resolution that suits the size."""
    if amount_bytes is None:
        return Amount(None, "MB")
    power = next((power for power in (4, 3, 2) if amount_bytes >= 1000**power), 1)
    scaled = amount_bytes / 1000**power
    return Amount(scaled, SIZES[power - 1], _digits(scaled))


def note(*words: str | Amount | datetime) -> Words:
    """A line of words, amounts and times, ready for JSON."""
    return [_word(word) for word in words]


def _word(word: str | Amount | datetime) -> Any:
    if isinstance(word, datetime):
        return {"at": to_ms(word)}
    return word.json() if isinstance(word, Amount) else word


def gateway_code(gateway_id: int) -> str:
    """The short name of a gateway, as it stands on its card: GW-07."""
    return f"GW-{gateway_id:02d}"


def _digits(size: float) -> int:
    if abs(size) >= 1000:
        return 0
    return 2 if 0 < abs(size) < 10 else 1
