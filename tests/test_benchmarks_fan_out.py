"""The fan-out benchmark: its event is what it says, its load loses none, its contenders serve, it prints JSON."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks.fan_out_events import EVENT_BYTES, MARK, age_us, frame_of
from benchmarks.fan_out_load import Load
from benchmarks.fan_out_turns import CONTENDERS, GUNICORN, NODE_WS, WEBSOCKETS, loading, restart, serving, turn
from benchmarks.polling_workers import ROOT, Worker


@pytest.fixture(scope="module")
def load() -> Iterator[Worker]:
    with loading() as worker:
        yield worker


def test_an_event_has_the_size_that_it_is_said_to_have() -> None:
    assert len(frame_of(1233)) == EVENT_BYTES
    assert frame_of(7).count(MARK) == 1


def test_the_age_of_an_event_is_read_from_the_frame() -> None:
    frame = frame_of(1)
    now_us = time.monotonic_ns() // 1000
    assert 0 <= age_us(frame, frame.find(MARK), now_us) < 1_000_000
    with pytest.raises(ValueError, match="cut off"):
        age_us(frame[: frame.find(MARK) + len(MARK) + 3], frame.find(MARK), now_us)


@pytest.mark.parametrize("size", [1, 7, 14, 15, 16, 64, 257, 1000])
def test_the_load_counts_every_event_once_however_the_frames_are_cut(size: int) -> None:
    load = Load()
    stream = b"".join(frame_of(number) for number in range(20))
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert sum(load.count(3, piece, []) for piece in pieces) == 20


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_client_of_every_contender_gets_every_event(load: Worker, name: str) -> None:
    with serving(name) as contender:
        found = turn(contender, load, clients=5, events=10, per_s=50)
    assert found["us_per_delivery"] > 0 and found["p50_ms"] is not None and found["threads"] >= 1


def test_a_client_that_does_not_read_is_left_out_of_the_count(load: Worker) -> None:
    with serving(GUNICORN) as contender:
        found = turn(contender, load, clients=4, events=10, per_s=50, stalled=1)
    assert found["state"]["connections"] == 5


def test_clients_come_back_to_a_server_that_has_started_anew_on_its_port(load: Worker) -> None:
    found = restart(GUNICORN, load, clients=20)
    assert 0 < found["back_s"] <= found["since_end_s"]


def test_the_command_prints_json_on_its_last_line() -> None:
    command = [sys.executable, "benchmarks/fan_out.py", "--json", "--part", "memory", "--clients", "10"]
    names = [WEBSOCKETS, NODE_WS]
    run = subprocess.run([*command, "--contender", *names], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert list(json.loads(run.stdout.splitlines()[-1])["memory"]) == names
