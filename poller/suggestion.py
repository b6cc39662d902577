"""What the figures of a probe mean: time-outs that suit the link, and sentences for a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from poller.modbus import GATEWAY_EXCEPTIONS, LinkTimes
from poller.poll_error import EXCEPTION_WORDS
from poller.probe import Measurement, Ping
from poller.round_trip import ROUND_TRIPS_WAITED

USUAL = LinkTimes()  # what a new gateway has
MARGIN = 1.25


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Time-outs that fit what was measured, in seconds."""

    shortest_s: float
    longest_s: float
    first_s: float

    @property
    def options(self) -> str:
        """As options of `gateway edit`."""
        return (
            f"--shortest-timeout {self.shortest_s:g} --longest-timeout {self.longest_s:g}"
            f" --first-timeout {self.first_s:g}"
        )


def suggest(measured: Measurement) -> Suggestion | None:
    """Time-outs for a link like that; None if nothing answered.

    The shortest leaves room above the slowest reply, the longest above four times it, the first above the slowest
    first request with its connection. None is below what a new gateway has: a time-out that is too long costs a
    wait, one that is too short costs readings.
    """
    slowest_ms, firsts_ms = measured.quantile_ms(1.0), measured.firsts_ms
    if slowest_ms is None:
        return None
    shortest_s = max(USUAL.shortest_s, _tenths_up(MARGIN * slowest_ms / 1000))
    return Suggestion(
        shortest_s=shortest_s,
        longest_s=max(USUAL.longest_s, float(ceil(ROUND_TRIPS_WAITED * slowest_ms / 1000))),
        first_s=max(USUAL.first_s, shortest_s, _tenths_up(2 * max(firsts_ms, default=0.0) / 1000)),
    )


def _tenths_up(seconds: float) -> float:
    return ceil(seconds * 10) / 10


def advice(measured: Measurement, suggestion: Suggestion | None, ping: Ping) -> list[str]:
    """What the figures mean, in sentences."""
    said: list[str] = []
    if suggestion is not None:
        said.append(
            f"shortest time-out {suggestion.shortest_s:g} s; the gateway's serial time-out must stay below it,"
            " or late replies follow"
        )
    for code in sorted(set(measured.exceptions)):
        said.append(_about(code, measured.exceptions[code], ping))
    if measured.late:
        share = f"{measured.late} of {measured.asked} replies"
        said.append(f"{share} came after the time-out: measure again with a longer --timeout")
    if measured.lost:
        share = f"{measured.lost} of {measured.asked} requests ({measured.lost / measured.asked:.0%})"
        said.append(f"{share} {'was' if measured.lost == 1 else 'were'} never answered")
    return said


def _about(code: int, times: int, ping: Ping) -> str:
    words = f"{times} replies were exception {code} ({EXCEPTION_WORDS.get(code, 'unknown')})"
    if code in GATEWAY_EXCEPTIONS:
        return f"{words}: the gateway answers, unit {ping.unit_id} behind it did not"
    return f"{words}: a reply all the same, but --table and --address of a register that is there measure better"


def document(measured: Measurement, suggestion: Suggestion | None, said: Sequence[str]) -> dict[str, Any]:
    """The measurement as a JSON object; what could not be measured is null."""
    return {
        "requests": measured.asked,
        "replies": len(measured.round_trips_ms),
        "connect_ms": _tidy(measured.connects_ms[0] if measured.connects_ms else None),
        "round_trip_ms": {
            "min": _tidy(measured.quantile_ms(0.0)),
            "median": _tidy(measured.quantile_ms(0.5)),
            "p95": _tidy(measured.quantile_ms(0.95)),
            "max": _tidy(measured.quantile_ms(1.0)),
        },
        "jitter_ms": _tidy(measured.jitter_ms),
        "first_request_ms": _tidy(measured.firsts_ms[0] if measured.firsts_ms else None),
        "first_penalty_ms": _tidy(measured.first_penalty_ms),
        "late": measured.late,
        "lost": measured.lost,
        "exceptions": {str(code): times for code, times in sorted(measured.exceptions.items())},
        "reconnects": measured.reconnects,
        "bytes_sent": measured.bytes_sent,
        "bytes_received": measured.bytes_received,
        "suggested": None
        if suggestion is None
        else {
            "shortest_timeout_s": suggestion.shortest_s,
            "longest_timeout_s": suggestion.longest_s,
            "first_timeout_s": suggestion.first_s,
            "options": suggestion.options,
        },
        "advice": list(said),
    }


def _tidy(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)
