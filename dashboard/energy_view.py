"""What the energy page shows, as its address says it: a period, a resolution, a flow and a scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qs, urlencode

from models.energy_meters import Flow
from models.periods import PeriodKind

PATH = "/energy"
LONGEST_DAYS = 1100
FIRST_YEAR, LAST_YEAR = 1990, 2100
DAY = timedelta(days=1)


class Span(StrEnum):
    """How long a period is, by the calendar of the site."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    CUSTOM = "custom"


STEP_WORDS = {
    PeriodKind.QUARTER: "15 min",
    PeriodKind.HOUR: "Hour",
    PeriodKind.DAY: "Day",
    PeriodKind.WEEK: "Week",
    PeriodKind.MONTH: "Month",
}
FLOW_WORDS = {
    Flow.IMPORT: "Import",
    Flow.EXPORT: "Export",
    Flow.GENERATION: "Generation",
    Flow.SELF_CONSUMPTION: "Self-consumption",
}
USUAL_STEP = {
    Span.DAY: PeriodKind.HOUR,
    Span.WEEK: PeriodKind.DAY,
    Span.MONTH: PeriodKind.DAY,
    Span.YEAR: PeriodKind.MONTH,
}
SUITABLE_DAYS = {  # fewer are no comparison, and with more of them bars become hairs
    PeriodKind.QUARTER: (1, 8),
    PeriodKind.HOUR: (1, 32),
    PeriodKind.DAY: (2, 400),
    PeriodKind.WEEK: (28, LONGEST_DAYS),
    PeriodKind.MONTH: (59, LONGEST_DAYS),
}

Choice = TypeVar("Choice", bound=StrEnum)


class BadView(ValueError):
    """The address asks for what there isn't; the message says what, and what to write instead."""


@dataclass(frozen=True, slots=True)
class View:
    """One state of the page. The period is first <= day < end, in days of the site; scope: see `energy_scope`."""

    span: Span
    first: date
    end: date
    step: PeriodKind
    flow: Flow = Flow.IMPORT
    scope: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        return (self.end - self.first).days

    @property
    def address(self) -> str:
        """The path and query that bring this view back."""
        return f"{PATH}?{self.query}"

    @property
    def query(self) -> str:
        when = [("from", self.first), ("to", self.end - DAY)] if self.span is Span.CUSTOM else [("at", self.first)]
        pairs = [("period", self.span), *when, ("by", self.step), ("flow", self.flow)]
        return urlencode([*pairs, *(("in", one) for one in self.scope)])

    def moved(self, periods: int) -> "View":
        """The same so many periods later."""
        view = self
        for _ in range(abs(periods)):
            view = view._after() if periods > 0 else view._before()
        return view

    def _after(self) -> "View":
        end = self.end + (self.end - self.first) if self.span is Span.CUSTOM else _end_of(self.span, self.end)
        return replace(self, first=self.end, end=end)

    def _before(self) -> "View":
        if self.span is Span.CUSTOM:
            return replace(self, first=self.first - (self.end - self.first), end=self.first)
        return replace(self, first=_first_of(self.span, self.first - DAY), end=self.first)

    def of(self, span: Span, at: date) -> "View":
        """The period of that length around a day, in its usual resolution."""
        first = _first_of(span, at)
        return replace(self, span=span, first=first, end=_end_of(span, first), step=USUAL_STEP[span])

    @property
    def steps(self) -> list[PeriodKind]:
        """The resolutions that suit the period."""
        return [step for step, (fewest, most) in SUITABLE_DAYS.items() if fewest <= self.days <= most]

    @property
    def words(self) -> str:
        """The period as people say it."""
        last = self.end - DAY
        if self.span is Span.DAY or self.days == 1:
            return f"{self.first:%a} {self.first.day} {self.first:%b %Y}"
        if self.span is Span.MONTH:
            return f"{self.first:%B %Y}"
        if self.span is Span.YEAR:
            return f"{self.first:%Y}"
        begin = f"{self.first.day} {self.first:%b}" + (f" {self.first:%Y}" if self.first.year != last.year else "")
        week = f"Week {self.first.isocalendar().week}, " if self.span is Span.WEEK else ""
        return f"{week}{begin} – {last.day} {last:%b %Y}"


def usual_view(today: date) -> View:
    """What is shown when the address says nothing: the last seven days with today, each day of the week once."""
    return View(Span.CUSTOM, today - 6 * DAY, today + DAY, PeriodKind.DAY)


def read_view(search: str, today: date) -> View:
    """The view that a query asks for; raises BadView with a sentence."""
    given = parse_qs(search.removeprefix("?"), keep_blank_values=True)
    view = replace(_period(given, today), scope=tuple(given.get("in", ())))
    flow = _choice(Flow, given, "flow", Flow.IMPORT)
    step = _choice(PeriodKind, given, "by", view.step)
    if step not in view.steps:
        possible = ", ".join(view.steps)
        raise BadView(f"by={step} does not suit {view.days} days; bars can be by {possible}.")
    return replace(view, step=step, flow=flow)


def _period(given: Mapping[str, Sequence[str]], today: date) -> View:
    span = _choice(Span, given, "period", Span.CUSTOM)
    usual = usual_view(today)
    if span is not Span.CUSTOM:
        return usual.of(span, _date(given, "at", today))
    first, last = _date(given, "from", usual.first), _date(given, "to", today)
    if last < first:
        raise BadView(f"The range is inside out: it ends on {last}, before it begins on {first}. Swap the two dates.")
    days = (last - first).days + 1
    if days > LONGEST_DAYS:
        raise BadView(f"{days} days are more than can be shown at once; choose {LONGEST_DAYS} or fewer.")
    step = PeriodKind.HOUR if days <= 2 else PeriodKind.DAY if days <= 62 else PeriodKind.MONTH
    return View(Span.CUSTOM, first, last + DAY, step)


def _choice(kind: type[Choice], given: Mapping[str, Sequence[str]], name: str, usual: Choice) -> Choice:
    word = given.get(name, [""])[0]
    if not word:
        return usual
    try:
        return kind(word)
    except ValueError:
        raise BadView(f"{name}={word[:40]} is none of {', '.join(kind)}.") from None


def _date(given: Mapping[str, Sequence[str]], name: str, usual: date) -> date:
    word = given.get(name, [""])[0]
    if not word:
        return usual
    try:
        found = date.fromisoformat(word)
    except ValueError:
        raise BadView(f"{name}={word[:40]} is no date like 2026-10-25.") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BadView(f"{name}={word[:40]} is outside the years {FIRST_YEAR} to {LAST_YEAR}.")
    return found


def _first_of(span: Span, day: date) -> date:
    if span is Span.WEEK:
        return day - timedelta(days=day.weekday())
    if span is Span.MONTH:
        return day.replace(day=1)
    return day.replace(month=1, day=1) if span is Span.YEAR else day


def _end_of(span: Span, first: date) -> date:
    """The day after a period that begins on a day."""
    if span is Span.MONTH:
        return (first + timedelta(days=31)).replace(day=1)
    if span is Span.YEAR:
        return first.replace(year=first.year + 1)
    return first + timedelta(days=7 if span is Span.WEEK else 1)
