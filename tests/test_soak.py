"""A very small soak, and what a soak does not let pass."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak import Figures, violations

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "soak.py"
POLLS = 400

SOUND = Figures(
    polls=POLLS,
    seconds=4.0,
    polls_per_s=100.0,
    outcomes={"OK": 380, "PARTIAL": 15, "FAILED": 5},
    held_back=3,
    readings=5_000,
    wrong_values=[],
    requests=2_000,
    replies=1_950,
    late=20,
    lost=30,
    connects=60,
    exceptions={2: 3},
    faults={"not answered": 10},
    requests_served=1_995,
    requests_told=2_000,
    late_told=20,
    lost_told=30,
    reused_connections=0,
    healthy_polls=100,
    healthy_failures=0,
    lateness_p95_ms=3.0,
    lateness_p99_ms=4.0,
    lateness_worst_ms=9.0,
    growth_mb=0.1,
    objects_grown=10,
    most_descriptors=40,
    most_tasks=22,
    sockets_left=0,
    tasks_left=0,
)


def test_a_few_hundred_polls_with_faults_leave_nothing_behind() -> None:
    command = [sys.executable, str(SCRIPT), "--polls", str(POLLS), "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    figures = json.loads(finished.stdout.splitlines()[-1])
    assert figures["violations"] == []
    assert figures["polls"] >= POLLS
    assert sum(figures["faults"].values()) > 10, "something went wrong on the wire"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"polls": POLLS - 1}, "the time was over"),
        ({"wrong_values": ["7 at (1, 0)"]}, "wrong values: 7 at (1, 0)"),
        ({"replies": 1_949}, "but 1999 replies, late and lost ones"),
        ({"late_told": 19}, "the polls told of 19 and 30"),
        ({"requests_told": 1_999}, "the polls told of 1999"),
        ({"requests_served": 1_900}, "1900 requests came"),
        ({"reused_connections": 1}, "connections that can't be trusted"),
        ({"healthy_failures": 1}, "healthy gateways failed"),
        ({"lateness_p95_ms": 1_000.0}, "1000 ms late"),
        ({"growth_mb": 50.0}, "memory grew by 50.0 MB"),
        ({"objects_grown": 100_000}, "100000 objects more"),
        ({"most_descriptors": 1_000}, "1000 descriptors"),
        ({"most_tasks": 1_000}, "1000 tasks"),
        ({"sockets_left": 1}, "1 sockets left open"),
        ({"tasks_left": 2}, "2 tasks left"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_soak_with_a_leak_or_a_wrong_value_fails(change: dict[str, Any], words: str) -> None:
    (violation,) = violations(replace(SOUND, **change), POLLS)
    assert words in violation


def test_a_sound_soak_passes() -> None:
    assert violations(SOUND, POLLS) == []
