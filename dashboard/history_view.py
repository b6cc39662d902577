"""What the page History shows, as its address says it; the export of it reads the same address."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from models.wall_clock import Earlier

MOST_POINTS = 50
SHORTEST_SPAN = timedelta(seconds=1)
LONGEST_SPAN = timedelta(days=366 * 20)
FIRST_YEAR, LAST_YEAR = 1990, 2100
USUAL_RANGE = "24h"

# The ranges that are offered, by their word in the address.
PRESETS = {
    "15m": "15 min",
    "1h": "1 h",
    "6h": "6 h",
    "24h": "24 h",
    "7d": "7 days",
    "30d": "30 days",
    "1y": "1 year",
    "today": "Today",
    "yesterday": "Yesterday",
}
UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
LAST = re.compile(r"([1-9][0-9]{0,4})([mhdwy])")
AXES = ("shared", "separate")
QUALITIES = ("all", "good")


class BadView(ValueError):
    """The address asks for what can't be shown; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class View:
    """One state of the page: which points in start_at <= t < end_at, and how.

    range: the word for a span that moves with the clock; None when both ends are given. is_shared: points of one unit
    have one axis. good_only: suspect readings are left out. zone: of the address, None for that of the site.
    """

    point_ids: tuple[int, ...]
    start_at: datetime
    end_at: datetime
    range: str | None = None
    compare: Earlier | None = None
    is_shared: bool = True
    good_only: bool = False
    zone: ZoneInfo | None = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters that bring this view back; what is usual is left out."""
        when = (
            [("range", self.range)] if self.range else [("start", _stamp(self.start_at)), ("end", _stamp(self.end_at))]
        )
        return [
            ("points", ",".join(map(str, self.point_ids))),
            *((name, word) for name, word in when if word),
            *([("compare", self.compare.value)] if self.compare else []),
            *([] if self.is_shared else [("axes", "separate")]),
            *([("quality", "good")] if self.good_only else []),
            *([("zone", self.zone.key)] if self.zone else []),
        ]

    def query_string(self) -> str:
        """What follows the question mark of the address."""
        return urlencode(self.pairs, safe=",:/")


def parse_view(search: str, now: datetime, zone: ZoneInfo) -> View:
    """The view of an address; raises BadView with a sentence.

    search: the query, with or without its question mark. zone: the site's, in which times without an offset are meant.
    """
    given = dict(parse_qsl(search.removeprefix("?"), keep_blank_values=True))
    own_zone = _zone(given.get("zone", ""))
    word, start_at, end_at = _span(given, now, own_zone or zone)
    return View(
        point_ids=_points(given.get("points", "")),
        start_at=start_at,
        end_at=end_at,
        range=word,
        compare=_compare(given.get("compare", "")),
        is_shared=_one_of(given, "axes", AXES) == "shared",
        good_only=_one_of(given, "quality", QUALITIES) == "good",
        zone=own_zone,
    )


def _points(words: str) -> tuple[int, ...]:
    ids = [word.strip() for word in words.split(",") if word.strip()]
    for word in ids:
        if not re.fullmatch(r"[0-9]{1,9}", word):
            raise BadView(f"“{_short(word)}” is no number of a point; pick the points from the list.")
    found = tuple(dict.fromkeys(map(int, ids)))
    if len(found) > MOST_POINTS:
        raise BadView(f"{len(found)} points are too many at once; {MOST_POINTS} are possible. Leave some out.")
    return found


def _span(given: Mapping[str, str], now: datetime, zone: ZoneInfo) -> tuple[str | None, datetime, datetime]:
    word = given.get("range", "") or given.get("last", "")
    has_ends = bool(given.get("start") or given.get("end"))
    if has_ends and not word:
        start_at, end_at = _time(given, "start", zone), _time(given, "end", zone)
        _check(start_at, end_at, zone)
        return None, start_at, end_at
    word = word or USUAL_RANGE
    return (word, *_moving(word, now, zone))


def _moving(word: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A span that ends now, or a local day."""
    today = now.astimezone(zone).date()
    midnights = {
        back: datetime.combine(today - timedelta(days=back), time.min, zone).astimezone(UTC) for back in (-1, 0, 1)
    }
    if word == "today":
        return midnights[0], midnights[-1]
    if word == "yesterday":
        return midnights[1], midnights[0]
    found = LAST.fullmatch(word)
    if found is None:
        raise BadView(f"“{_short(word)}” is no range; write one like 24h, 7d or 1y, or choose a start and an end.")
    span = int(found[1]) * UNITS[found[2]]
    if span > LONGEST_SPAN:
        raise BadView(f"The range {word} is longer than 20 years; choose a shorter one.")
    return now - span, now


def _time(given: Mapping[str, str], name: str, zone: ZoneInfo) -> datetime:
    word = given.get(name, "")
    if not word:
        other = {"start": "an end", "end": "a start"}[name]
        raise BadView(f"The range has {other} but no {name}; fill in both.")
    try:
        at = datetime.fromisoformat(word.replace(" ", "+"))  # a plus sign in an address is read as a blank
    except ValueError:
        raise BadView(f"“{_short(word)}” is no time; write one like 2026-10-25T14:30:00Z.") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise BadView(f"The {name} lies in the year {at.year}; choose one between {FIRST_YEAR} and {LAST_YEAR}.")
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _check(start_at: datetime, end_at: datetime, zone: ZoneInfo) -> None:
    if end_at < start_at:
        raise BadView(
            f"The range is inside out: it ends at {_words(end_at, zone)}, before it begins at "
            f"{_words(start_at, zone)}. Swap the two times."
        )
    if end_at - start_at < SHORTEST_SPAN:
        raise BadView("The range is shorter than a second; choose a longer one.")
    if end_at - start_at > LONGEST_SPAN:
        raise BadView("The range is longer than 20 years; choose a shorter one.")


def _compare(word: str) -> Earlier | None:
    if word in ("", "none"):
        return None
    try:
        return Earlier(word)
    except ValueError:
        raise BadView(f"compare={_short(word)} is none of {', '.join(Earlier)}; choose one of them.") from None


def _one_of(given: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """The first word is the usual one."""
    word = given.get(name, "") or words[0]
    if word not in words:
        raise BadView(f"{name}={_short(word)} is none of {', '.join(words)}; choose one of them.")
    return word


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no name at all; a folder of zones
        raise BadView(f"“{_short(name)}” is no time zone; write a name like Europe/Berlin.") from None


def _stamp(at: datetime) -> str:
    """UTC to the millisecond, shorter where it is whole."""
    words = at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return words.removesuffix(".000") + "Z"


def _words(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _short(word: str) -> str:
    return word if len(word) <= 40 else word[:40] + "…"
