"""`gateway ...`: link settings and the report."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.database import Database
from models.gateways import Outcome, load_gateways
from models.polls import Poll, Refusal, UnitSilence, store_polls
from tests.commands.conftest import Command

LINK = ["--shortest-timeout", "2.4", "--longest-timeout", "20", "--request-gap", "0.1", "--release-socket"]


def opened(folder: Path) -> Database:
    return Database(f"sqlite:///{folder}/data/monitor.db")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["North", "10.0.0.7"], "no device to read"),
        (["North", "10.0.0.7 ", "--device", "2:eastron-sdm630"], "is no host"),
        (["North", "10.0.0.7:503", "--device", "2:eastron-sdm630"], "is no host"),
        (["North", "10.0.0.7", "--device", "2:eastron-sdm63"], "eastron-sdm630"),
        (["North", "10.0.0.7", "--device", "two:eastron-sdm630"], "UNIT:TEMPLATE"),
        (["North", "10.0.0.7", "--device", "300:eastron-sdm630"], "0 to 255"),
        (["North", "10.0.0.7", "--port", "0", "--device", "2:eastron-sdm630"], "1 to 65535"),
        (["North", "10.0.0.7", "--interval", "0.01", "--device", "2:eastron-sdm630"], "0.2 to 86400 seconds"),
        (["North", "10.0.0.7", "--interval", "0", "--device", "2:eastron-sdm630"], "0.2 to 86400 seconds"),
    ],
    ids=[
        "no device",
        "a space in the host",
        "a port in the host",
        "unknown template",
        "no unit",
        "unit too large",
        "no port",
        "interval too short",
        "no interval",
    ],
)
def test_a_bad_gateway_is_refused_by_name_and_not_stored(command: Command, words: list[str], complaint: str) -> None:
    result = command("gateway", "add", *words)
    assert result.exit_code == 2 and complaint in result.output
    assert "No gateway yet" in command("gateway", "list").output


@pytest.mark.parametrize(
    ("words", "complaint"), [(["--port", "0"], "1 to 65535"), (["--interval", "0"], "0.2 to 86400 seconds")], ids=str
)
def test_a_0_is_refused_and_not_taken_for_nothing(north: Command, words: list[str], complaint: str) -> None:
    refused = north("gateway", "edit", "North", *words)
    assert refused.exit_code == 2 and complaint in refused.output


def test_a_gateway_is_added_paused_resumed_and_edited(command: Command) -> None:
    device = ["--device", "2:eastron-sdm630:Main"]
    assert command("gateway", "add", "North", "10.0.0.7", *device).exit_code == 0
    twice = command("gateway", "add", "north", "10.0.0.8", *device)
    assert twice.exit_code == 2 and "choose another name" in twice.output
    same_line = command("gateway", "add", "South", "10.0.0.7", *device)
    assert same_line.exit_code == 2 and 'gateway "North" polls 10.0.0.7:502 already' in same_line.output
    for words in (["pause", "North"], ["resume", "North"], ["edit", "North", "--interval", "7", "--port", "503"]):
        assert command("gateway", *words).exit_code == 0
    assert "10.0.0.7:503           every 7 s" in command("gateway", "list").output
    unknown = command("gateway", "pause", "Nort")
    assert unknown.exit_code == 2 and "did you mean North?" in unknown.output


def test_time_outs_rests_and_the_budget_are_set_shown_and_logged(north: Command, tmp_path: Path) -> None:
    assert north("gateway", "edit", "North", *LINK, "--data-budget", "5").exit_code == 0
    shown = json.loads(north("gateway", "show", "North", "--json").output.splitlines()[-1])
    assert shown["link"] == {
        "connect_timeout_s": 10.0,
        "first_timeout_s": 5.0,
        "shortest_timeout_s": 2.4,
        "longest_timeout_s": 20.0,
        "connect_pause_s": 0.0,
        "request_gap_s": 0.1,
        "release_socket": True,
        "data_budget_mb": 5.0,
    }
    words = north("gateway", "show", "North").output
    assert "between 2.4 and 20 s, 0.1 s between requests, closed between polls" in words
    assert "of 5 MB allowed" in words
    assert north("gateway", "edit", "North", "--data-budget", "none", "--keep-socket").exit_code == 0
    assert "allowed" not in north("gateway", "show", "North").output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--shortest-timeout", "40"], "above the longest"),
        (["--first-timeout", "0"], "first timeout is more than 0"),
        (["--request-gap", "-1"], "request gap is 0 to 120"),
        (["--data-budget", "0"], "more than 0 MB"),
        (["--data-budget", "much"], "no number of MB"),
    ],
    ids=["shortest above longest", "no time at all", "negative gap", "no budget", "no number"],
)
def test_impossible_link_settings_are_refused_and_nothing_changes(
    north: Command, words: list[str], complaint: str
) -> None:
    before = north("gateway", "show", "North").output
    refused = north("gateway", "edit", "North", *words)
    assert refused.exit_code == 2 and complaint in refused.output
    assert north("gateway", "show", "North").output == before


def test_what_does_not_answer_is_shown_with_its_reason(north: Command, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    database = opened(tmp_path)
    with database.write() as session:
        (gateway,) = load_gateways(session)
        meter = gateway.devices[1]
        point = meter.data_points[0]
        poll = Poll(
            gateway_id=gateway.id,
            started_at=now - timedelta(minutes=1),
            duration_ms=80.0,
            latency_ms=40.0,
            latency_p95_ms=61.0,
            outcome=Outcome.PARTIAL,
            error="Main: unit 2 silent",
            samples=[],
            request_count=9,
            late_count=3,
            lost_count=1,
            byte_count=900,
            missed_count=2,
            refusals=[Refusal(point.id, 2, now, now + timedelta(days=1))],
            silences=[UnitSilence(meter.id, now, "unit 2 silent, no valid answer in 1.5 s")],
        )
        store_polls(session, [poll])
    database.close()

    words = north("gateway", "show", "North").output
    assert "expected 3, done 1 (2 missed) · 3 late, 1 lost of 9 requests" in words
    assert "silent since" in words and "no valid answer in 1.5 s" in words
    assert f"Main: {point.label}, exception 2 (illegal data address)" in words
    told = json.loads(north("gateway", "show", "North", "--json").output.splitlines()[-1])
    assert [one["unit"] for one in told["silent_units"]] == [2]
    assert [(one["point"], one["exception"]) for one in told["refused_points"]] == [(point.key, 2)]


def test_an_unknown_gateway_is_answered_with_the_nearest(north: Command) -> None:
    refused = north("gateway", "show", "Nrth")
    assert refused.exit_code == 2 and "did you mean North?" in refused.output
