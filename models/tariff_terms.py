"""What a tariff says: bands by time of use, charges and factors; read from YAML, with a sentence about each mistake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = 12
QUARTERS_OF_DAY = 96
MOST = Decimal(1_000_000)  # for any price: more is a slip
TERMS = (
    "name",
    "valid_from",
    "currency",
    "bands",
    "demand_charge_per_kw_month",
    "standing_charge_per_month",
    "export_price_per_kwh",
    "co2_g_per_kwh",
)
BAND_TERMS = ("name", "price_per_kwh", "weekdays", "from", "to", "months")


class BadTariff(Exception):
    """A tariff that can't be; the message names the thing and the remedy."""


@dataclass(frozen=True, slots=True)
class TariffBand:
    """A price that holds at some times by the clock on the wall.

    weekdays: 0 is Monday. from_quarter, to_quarter: of an hour, from midnight; the first after the second is over
    midnight, each part on its own weekday. months: 1 to 12.
    """

    name: str
    price_per_kwh: Decimal
    weekdays: frozenset[int] = frozenset(range(7))
    from_quarter: int = 0
    to_quarter: int = QUARTERS_OF_DAY
    months: frozenset[int] = frozenset(range(1, MONTHS + 1))

    def holds(self) -> NDArray[np.bool_]:
        """When it holds: [month, weekday, quarter of an hour]."""
        quarters = np.arange(QUARTERS_OF_DAY)
        after, before = quarters >= self.from_quarter, quarters < self.to_quarter
        at = after & before if self.from_quarter < self.to_quarter else after | before
        month = np.isin(np.arange(1, MONTHS + 1), list(self.months))
        weekday = np.isin(np.arange(7), list(self.weekdays))
        return np.asarray(month[:, None, None] & weekday[None, :, None] & at[None, None, :], np.bool_)


@dataclass(frozen=True)
class TariffTerms:
    """What energy costs from a day on. Of the bands that hold at a time the first counts; at any time one does."""

    name: str
    valid_from: date
    currency: str
    bands: tuple[TariffBand, ...]
    demand_charge_per_kw_month: Decimal = Decimal(0)
    standing_charge_per_month: Decimal = Decimal(0)
    export_price_per_kwh: Decimal = Decimal(0)
    co2_g_per_kwh: Decimal | None = None

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """The number of the band that counts: [month, weekday, quarter of an hour]; -1 where none holds."""
        table = np.full((MONTHS, 7, QUARTERS_OF_DAY), -1, np.int64)
        for number, band in enumerate(self.bands):
            table[band.holds() & (table < 0)] = number
        return table


def read_yaml(text: str, source: str) -> TariffTerms:
    """The tariff of a YAML file; source: its name, for messages. Raises BadTariff."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadTariff(f"{source}: is no YAML ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(document, dict):
        raise BadTariff(f"{source}: is a list of terms such as `name: Day and night`; see docs/energy.md")
    return read_terms(document)


def read_terms(document: Mapping[str, Any]) -> TariffTerms:
    """The tariff of terms as they stand in a file, or as `plain` made them. Raises BadTariff."""
    name = _text(document, "name", "tariff")
    what = f'tariff "{name}"'
    _known(document, TERMS, what)
    bands = document.get("bands")
    if not isinstance(bands, list) or not bands:
        raise BadTariff(f"{what}: has no bands; give at least {{name: All day, price_per_kwh: 0.30}}")
    terms = TariffTerms(
        name,
        _date(document, what),
        _text(document, "currency", what, longest=8),
        tuple(_band(band, number, what) for number, band in enumerate(bands, start=1)),
        _number(document, "demand_charge_per_kw_month", what, Decimal(0)),
        _number(document, "standing_charge_per_month", what, Decimal(0)),
        _number(document, "export_price_per_kwh", what, Decimal(0)),
        _number(document, "co2_g_per_kwh", what, None),
    )
    _check_bands(terms, what)
    return terms


def plain(terms: TariffTerms) -> dict[str, Any]:
    """The terms as JSON keeps them; `read_terms` takes them back."""
    return {
        "name": terms.name,
        "valid_from": terms.valid_from.isoformat(),
        "currency": terms.currency,
        "bands": [_plain_band(band) for band in terms.bands],
        "demand_charge_per_kw_month": str(terms.demand_charge_per_kw_month),
        "standing_charge_per_month": str(terms.standing_charge_per_month),
        "export_price_per_kwh": str(terms.export_price_per_kwh),
        "co2_g_per_kwh": None if terms.co2_g_per_kwh is None else str(terms.co2_g_per_kwh),
    }


def _plain_band(band: TariffBand) -> dict[str, Any]:
    return {
        "name": band.name,
        "price_per_kwh": str(band.price_per_kwh),
        "weekdays": [WEEKDAYS[number] for number in sorted(band.weekdays)],
        "from": clock(band.from_quarter),
        "to": clock(band.to_quarter),
        "months": sorted(band.months),
    }


def clock(quarter: int) -> str:
    """A quarter of an hour of the day as a clock says it; 96 is 24:00."""
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


# ---------------------------------------------------------------- one term


def _known(document: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    for term in document:
        if term not in known:
            close = get_close_matches(str(term), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}"
            raise BadTariff(f"{what}: {term} is no term of it; {hint}")


def _text(document: Mapping[str, Any], term: str, what: str, longest: int = 100) -> str:
    found = document.get(term)
    if not isinstance(found, str) or not found.strip() or len(found) > longest:
        raise BadTariff(f"{what}: has no {term}; give one of 1 to {longest} letters")
    return found.strip()


def _date(document: Mapping[str, Any], what: str) -> date:
    found = document.get("valid_from")
    try:
        return found if type(found) is date else date.fromisoformat(str(found))
    except ValueError:
        raise BadTariff(f"{what}: valid_from is {found!r}; give a day such as 2025-01-01") from None


def _number(document: Mapping[str, Any], term: str, what: str, usual: Any) -> Any:
    """A price or factor as it was written: 0.1 is a tenth, not what a float makes of it."""
    found = document.get(term)
    if found is None:
        return usual
    try:
        number = Decimal(str(found))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(found, bool) or not number.is_finite():
        raise BadTariff(f"{what}: {term} is {found!r}; give a number, with a point: 0.25")
    if not -MOST <= number <= MOST or (number < 0 and term != "price_per_kwh"):
        raise BadTariff(f"{what}: {term} is {found}; give a number from 0 to {MOST}")
    return number


def _band(band: Any, number: int, what: str) -> TariffBand:
    if not isinstance(band, dict):
        raise BadTariff(f"{what}: band {number} is {band!r}; give {{name: Peak, price_per_kwh: 0.30}}")
    name = _text(band, "name", f"{what}, band {number}")
    where = f'{what}, band "{name}"'
    _known(band, BAND_TERMS, where)
    price = _number(band, "price_per_kwh", where, None)
    if price is None:
        raise BadTariff(f"{where}: has no price_per_kwh; give a number such as 0.30")
    first, last = _quarter(band, "from", where, 0), _quarter(band, "to", where, QUARTERS_OF_DAY)
    if first % QUARTERS_OF_DAY == last % QUARTERS_OF_DAY and ("from" in band) and (first, last) != (0, QUARTERS_OF_DAY):
        raise BadTariff(f"{where}: begins and ends at {clock(first)}; leave from and to out for the whole day")
    return TariffBand(name, price, _weekdays(band, where), first, last, _months(band, where))


def _quarter(band: Mapping[str, Any], term: str, where: str, usual: int) -> int:
    found = band.get(term)
    if found is None:
        return usual
    if isinstance(found, int) and not isinstance(found, bool):  # YAML 1.1 takes 22:00 for minutes since midnight
        hours, minutes = divmod(found, 60)
    else:
        hour, _, minute = str(found).partition(":")
        if not (hour.isdecimal() and minute.isdecimal()):
            raise BadTariff(f'{where}: {term} is {found!r}; give a time such as "22:00"')
        hours, minutes = int(hour), int(minute)
    quarter, rest = divmod(hours * 60 + minutes, 15)
    if rest or not 0 <= quarter <= QUARTERS_OF_DAY or minutes > 59:
        raise BadTariff(f"{where}: {term} is {hours:02}:{minutes:02}; give a full quarter of an hour, 00:00 to 24:00")
    return quarter


def _weekdays(band: Mapping[str, Any], where: str) -> frozenset[int]:
    """A list such as [mon, tue] or a range such as mon-fri."""
    found = band.get("weekdays", "mon-sun")
    words = found if isinstance(found, list) else [found]
    days: set[int] = set()
    for word in words:
        first, is_range, last = str(word).lower().partition("-")
        ends = [WEEKDAYS.index(end) for end in (first, last if is_range else first) if end in WEEKDAYS]
        if len(ends) != 2:
            raise BadTariff(f"{where}: weekdays is {found!r}; give some of {', '.join(WEEKDAYS)}, or mon-fri")
        days |= {(ends[0] + number) % 7 for number in range((ends[1] - ends[0]) % 7 + 1)}
    if not days:
        raise BadTariff(f"{where}: holds on no weekday; leave weekdays out for all of them")
    return frozenset(days)


def _months(band: Mapping[str, Any], where: str) -> frozenset[int]:
    found = band.get("months", list(range(1, MONTHS + 1)))
    if not isinstance(found, list) or not found or not all(type(one) is int and 1 <= one <= MONTHS for one in found):
        raise BadTariff(f"{where}: months is {found!r}; give a list such as [11, 12, 1, 2], or leave it out")
    return frozenset(found)


def _check_bands(terms: TariffTerms, what: str) -> None:
    """At any time one band holds, and each one counts at some time."""
    if len({band.name for band in terms.bands}) < len(terms.bands):
        raise BadTariff(f"{what}: two bands have the same name; give each one of its own")
    gaps = np.argwhere(terms.table < 0)
    if len(gaps):
        month, weekday, quarter = (int(number) for number in gaps[0])
        when = f"on {DAY_NAMES[weekday]} at {clock(quarter)} in {date(2000, month + 1, 1):%B}"
        raise BadTariff(f"{what}: no band holds {when}; add a last band without times, it holds for the rest")
    counted = set(np.unique(terms.table).tolist())
    for number, band in enumerate(terms.bands):
        if number not in counted:
            raise BadTariff(f'{what}, band "{band.name}": never counts, bands before it hold at its times; move it up')
