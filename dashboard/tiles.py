"""What the KPI tiles say, as pure functions; `tiles.js` paints the facts and keeps their age."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dashboard.formats import Amount, Words, count, energy, milliseconds, note, percent, power
from models.database import to_ms
from models.energy import Demand, EnergyToday
from models.events import Severity
from models.gateways import Status
from models.link_quality import LinkQuality
from models.polls import PollSummary
from realtime.link import LastReport

FULL_COVERAGE = 0.98
DEMAND_HIGH = 0.9  # of the contract
POLLS_LOW, POLLS_HIGH = 0.95, 0.8  # success below it is abnormal
REPORTING = (Status.ONLINE, Status.DEGRADED)


@dataclass(frozen=True, slots=True)
class Bar:
    """A value beside what is normal, all in one unit; None is not drawn. It ends at `maximum`."""

    maximum: float
    pointer: float | None
    low: float | None = None
    high: float | None = None
    limit: float | None = None

    def json(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in ("maximum", "pointer", "low", "high", "limit")}


@dataclass(frozen=True, slots=True)
class Tile:
    """A big number, its bar and one line of context."""

    value: Amount | None
    bar: Bar | None = None
    note: Words = field(default_factory=list)
    severity: Severity = Severity.INFO

    def json(self, at: datetime) -> dict[str, Any]:
        """at: when this was true."""
        return {
            "at": to_ms(at),
            "value": None if self.value is None else self.value.json(),
            "severity": "" if self.severity is Severity.INFO else self.severity.value,
            "bar": None if self.bar is None else self.bar.json(),
            "note": self.note,
        }


def demand_tile(demand: Demand, contract_power_w: float | None) -> Tile:
    """The mean power of the last 15 minutes, against the contract."""
    if demand.power_w is None:
        return Tile(power(None), note=note("no readings in the last 15 min"))
    covered = note(" · ", percent(demand.coverage), " covered") if demand.coverage < FULL_COVERAGE else []
    if contract_power_w is None:
        return Tile(power(demand.power_w), note=covered[1:] or note("mean of the last 15 min"))
    share = demand.power_w / contract_power_w
    return Tile(
        power(demand.power_w),
        Bar(1.1 * max(contract_power_w, demand.power_w), demand.power_w, limit=contract_power_w),
        note(percent(share), " of contract") + covered,
        Severity.CRITICAL if share > 1 else Severity.HIGH if share >= DEMAND_HIGH else Severity.INFO,
    )


def energy_tile(today: EnergyToday) -> Tile:
    """What was used since midnight, beside yesterday's use by the same time."""
    if today.energy_kwh is None:
        return Tile(energy(None), note=note("no energy counter read yet today"))
    yesterday_kwh = today.yesterday_by_now_kwh
    if yesterday_kwh is None or yesterday_kwh <= 0:
        return Tile(energy(today.energy_kwh), note=_since(today) or _counted(today))
    change = round(today.energy_kwh / yesterday_kwh - 1, 2) + 0.0  # never "-0 %"
    compared = note("+" if change >= 0.005 else "", percent(change), " vs. yesterday by now")
    return Tile(
        energy(today.energy_kwh),
        Bar(1.4 * max(today.energy_kwh, yesterday_kwh), today.energy_kwh, limit=yesterday_kwh),
        compared if today.meters_counted == today.meters else [*compared, " · ", *_counted(today)],
    )


def _since(today: EnergyToday) -> Words:
    """Since when, where that is not midnight."""
    if today.since_at is None:
        return []
    return note("since ", today.since_at, " · ") + _counted(today)


def _counted(today: EnergyToday) -> Words:
    return note(count(today.meters_counted), " of ", count(today.meters), " meters")


def gateways_tile(statuses: Sequence[Status]) -> Tile:
    """How many gateways answer, and in words how the others are."""
    found = Counter(statuses)
    reporting, all_of_them = sum(found[status] for status in REPORTING), len(statuses)
    others = [status for status in Status if status is not Status.ONLINE and found[status]]
    words = " · ".join(f"{found[status]} {status.value}" for status in others)
    return Tile(
        Amount(reporting, f"/ {all_of_them}"),
        Bar(all_of_them, reporting, limit=all_of_them) if all_of_them else None,
        note(words or ("all online" if all_of_them else "none configured")),
        Severity.CRITICAL if found[Status.OFFLINE] else Severity.LOW if found[Status.DEGRADED] else Severity.INFO,
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """Polls that wait to be stored, and those that had to be dropped since the start because too many waited."""

    waiting: int = 0
    dropped: int = 0

    @classmethod
    def of(cls, last_report: LastReport) -> "Backlog":
        """What the poller says of it: what waits counts where it is more than a round of polls on its way."""
        values = last_report.report.values if last_report.report is not None else {}
        waiting = values.get("queued_polls", 0) + values.get("spooled_polls", 0)
        return cls(waiting if waiting > values.get("gateways", 0) else 0, values.get("dropped_polls", 0))

    @property
    def words(self) -> Words:
        parts = ((self.waiting, " polls wait for the database"), (self.dropped, " polls lost"))
        said = [part for number, words in parts if number for part in (" · ", count(number), words)]
        return note(*said[1:])

    @property
    def severity(self) -> Severity:
        return Severity.HIGH if self.dropped else Severity.LOW if self.waiting else Severity.INFO


NO_BACKLOG = Backlog()


def readings_tile(polls: PollSummary, expected_per_s: float, backlog: Backlog = NO_BACKLOG) -> Tile:
    """How many readings a second were stored lately, beside what the configuration asks for."""
    if not polls.span_s:
        return Tile(Amount(None, "/s"), note=backlog.words or note("no poll yet"), severity=backlog.severity)
    per_s = polls.readings / polls.span_s
    latency = note("p95 latency ", milliseconds(polls.latency_p95_ms)) if polls.latency_p95_ms is not None else []
    bar = Bar(1.25 * max(expected_per_s, per_s), per_s, 0.95 * expected_per_s, 1.05 * expected_per_s)
    return Tile(Amount(per_s, "/s", 0 if per_s >= 100 else 1), bar, backlog.words or latency, backlog.severity)


def polls_tile(links: Collection[LinkQuality]) -> Tile:
    """The share of polls of the last hour that read something, and what else went wrong on the links."""
    done, failed = sum(link.done for link in links), sum(link.failed for link in links)
    if not done:
        return Tile(Amount(None, "%"), note=note("no poll in the last hour"))
    success = 1 - failed / done
    words = note(count(failed), " of ", count(done), " failed", *_troubles(links), ", last hour")
    severity = Severity.HIGH if success < POLLS_HIGH else Severity.LOW if success < POLLS_LOW else Severity.INFO
    return Tile(_cautious_percent(success), Bar(1.0, success, POLLS_LOW, 1.0), words, severity)


def _troubles(links: Collection[LinkQuality]) -> Iterator[str | Amount]:
    """What there was of it: replies late or lost, polls missed or held back."""
    for word in ("late", "lost", "missed", "held"):
        number = sum(getattr(link, word) for link in links)
        if number:
            yield from (" · ", count(number), f" {word}")


def _cautious_percent(success: float) -> Amount:
    """Percent that say 100 only when nothing failed: 99.97 is shown as 99.9."""
    return Amount(100.0, "%", 1) if success == 1 else Amount(min(success * 100, 99.9), "%", 1)
