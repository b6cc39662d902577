"""The one function that says how a gateway is."""

from datetime import UTC, datetime, timedelta

import pytest

from models.gateways import Status, status

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def judge(
    recent: str, *, previous: Status = Status.ONLINE, enabled: bool = True, silent_s: float | None = 1.0
) -> Status:
    return status(
        enabled=enabled,
        previous=previous,
        recent_outcomes=recent,
        last_success_at=None if silent_s is None else NOW - timedelta(seconds=silent_s),
        poll_interval_s=5.0,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("recent", "previous", "expected"),
    [
        ("o", Status.NEVER_SEEN, Status.ONLINE),
        ("ooooooooof", Status.ONLINE, Status.ONLINE),
        ("oooooooopf", Status.ONLINE, Status.DEGRADED),
        ("oooooofoop", Status.ONLINE, Status.DEGRADED),
        ("ooooooofff", Status.DEGRADED, Status.OFFLINE),
        ("oooooofffo", Status.OFFLINE, Status.DEGRADED),
        ("ffffffoooo", Status.DEGRADED, Status.DEGRADED),
        ("fffffooooo", Status.DEGRADED, Status.ONLINE),
        ("pppppppppp", Status.DEGRADED, Status.DEGRADED),
        ("fffffooooo", Status.ONLINE, Status.ONLINE),
        ("", Status.PAUSED, Status.PAUSED),
        ("o", Status.PAUSED, Status.ONLINE),
        ("f", Status.PAUSED, Status.DEGRADED),
    ],
    ids=[
        "first success",
        "one failure is forgiven",
        "two bad polls of five degrade",
        "two bad polls anywhere in the five degrade",
        "three failures in a row take offline",
        "one success brings back as degraded",
        "four good polls do not heal",
        "five good polls heal",
        "a silent meter degrades but never takes offline",
        "what was healed stays healed",
        "resumed but not polled yet",
        "resumed and answering",
        "resumed and failing",
    ],
)
def test_recent_polls_decide(recent: str, previous: Status, expected: Status) -> None:
    assert judge(recent, previous=previous) is expected


def test_a_paused_gateway_is_paused_whatever_its_polls_were() -> None:
    assert judge("ffffffffff", enabled=False) is Status.PAUSED


def test_a_gateway_without_any_success_was_never_seen() -> None:
    assert judge("fff", previous=Status.NEVER_SEEN, silent_s=None) is Status.NEVER_SEEN


def test_silence_takes_a_gateway_offline_though_no_poll_has_failed() -> None:
    assert judge("oooooooooo", silent_s=29) is Status.ONLINE
    assert judge("oooooooooo", silent_s=31) is Status.OFFLINE


def test_a_flapping_gateway_stays_degraded() -> None:
    assert judge("ofofofofof", previous=Status.DEGRADED) is Status.DEGRADED
    assert judge("fofofofofo", previous=Status.DEGRADED) is Status.DEGRADED
