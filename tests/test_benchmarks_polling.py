"""The polling benchmark: its simulator serves what it should, its contenders are checked, its command prints JSON."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks.peers import FLOOR, PYMODBUS
from benchmarks.polling_delays import LTE_LONGEST_S, LTE_MEDIAN_S, lte
from benchmarks.polling_points import BLOCKS, POINT_COUNT, WrongValue, check, host_of, values_of
from benchmarks.polling_workers import ROOT, Worker, WorkerFailed, running, simulated

TIMEOUT_S = 5.0


@pytest.fixture(scope="module")
def simulator() -> Iterator[Worker]:
    """Three gateways; the second one is silent, the third refuses connections."""
    with simulated(3, silent=1, refusing=1) as worker:
        yield worker


def asked(number: int, port: int, frame: str) -> str:
    """What gateway `number` answers to a frame, both in hexadecimal."""
    with socket.create_connection((host_of(number), port), TIMEOUT_S) as sock:
        sock.sendall(bytes.fromhex(frame))
        return sock.recv(512).hex(" ")


def test_there_are_thirty_points_in_four_blocks() -> None:
    assert (POINT_COUNT, len(BLOCKS)) == (30, 4)


def test_every_gateway_holds_values_of_its_own() -> None:
    assert all(mine != other for mine, other in zip(values_of(1), values_of(2), strict=True))


def test_a_block_is_served_with_the_transaction_id_of_its_request(simulator: Worker) -> None:
    reply = asked(0, simulator.ready["port"], "cafe 0000 0006 01 03 07d0 000a")

    assert reply.startswith("ca fe 00 00 00 17 01 03 14")
    assert bytes.fromhex(reply)[9:] == BLOCKS[2].payload(0)


def test_a_single_value_is_served(simulator: Worker) -> None:
    reply = asked(0, simulator.ready["port"], "0001 0000 0006 01 03 0002 0002")

    assert bytes.fromhex(reply)[9:] == BLOCKS[0].payload(0)[4:8]


def test_registers_that_are_not_there_are_refused(simulator: Worker) -> None:
    assert asked(0, simulator.ready["port"], "0001 0000 0006 01 03 0009 0064") == "00 01 00 00 00 03 01 83 02"


def test_a_request_in_two_pieces_is_answered(simulator: Worker) -> None:
    with socket.create_connection((host_of(0), simulator.ready["port"]), TIMEOUT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(bytes.fromhex("0001 0000 0006"))
        simulator.ask()  # it has read the first piece
        sock.sendall(bytes.fromhex("01 03 07d0 000a"))
        assert sock.recv(512)[9:] == BLOCKS[2].payload(0)


def test_a_silent_gateway_takes_the_connection_and_never_answers(simulator: Worker) -> None:
    with socket.create_connection((host_of(1), simulator.ready["port"]), TIMEOUT_S) as sock:
        sock.sendall(bytes.fromhex("0001 0000 0006 01 03 07d0 000a"))
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(512)


def test_a_refusing_gateway_refuses(simulator: Worker) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host_of(2), simulator.ready["port"]), TIMEOUT_S)


def test_a_hanging_gateway_leaves_a_connection_unanswered() -> None:
    with simulated(1, hanging=1) as simulator, pytest.raises(TimeoutError):
        socket.create_connection((host_of(0), simulator.ready["port"]), 0.2)


def test_a_reply_comes_after_its_delay() -> None:
    with simulated(1, "50") as simulator:
        started = time.monotonic()
        asked(0, simulator.ready["port"], "0001 0000 0006 01 03 07d0 000a")
        assert time.monotonic() - started >= 0.05


def test_a_mobile_link_wakes_up_slowly_and_is_the_same_with_the_same_seed() -> None:
    delay, again = lte(1), lte(1)
    awake = sorted(delay(1.0) for _ in range(2000))
    asleep = [delay(60.0) for _ in range(100)]

    assert awake == sorted(again(1.0) for _ in range(2000))
    assert LTE_MEDIAN_S * 0.9 < awake[1000] < LTE_MEDIAN_S * 1.1
    assert min(asleep) > 0.3
    assert max(asleep + awake) <= LTE_LONGEST_S


def test_more_gateways_than_it_can_serve_are_refused_in_words() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "lean_simulator.py"), "--gateways", "2001"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=20)

    assert ended.returncode == 1
    assert "1 to 2000" in ended.stderr


def test_the_simulator_ends_with_its_parent() -> None:
    worker = Worker("lean_simulator.py", "--gateways", 1)

    worker.close()

    assert worker.process.returncode == 0


def test_a_wrong_value_is_noticed() -> None:
    with pytest.raises(WrongValue, match=host_of(1)):
        check(values_of(2), values_of(1), host_of(1))


@pytest.mark.parametrize("contender", [FLOOR, PYMODBUS])
def test_a_contender_polls_and_says_what_it_took(contender: str, simulator: Worker) -> None:
    with running("peers.py", contender, "--port", simulator.ready["port"], "--gateways", 1) as worker:
        turn = worker.ask(cpu_s=0.02)

    assert turn["polls"] > 0
    assert turn["cpu_s"] >= 0.02


def test_a_contender_that_meets_a_dead_gateway_fails() -> None:
    with simulated(1, refusing=1) as simulator, pytest.raises(WorkerFailed):
        Worker("peers.py", FLOOR, "--port", simulator.ready["port"], "--gateways", 1)


def test_the_quick_command_prints_one_json_object_on_its_last_line() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "polling.py"), "growth", "--quick", "--json"]

    printed = subprocess.check_output(command, text=True, timeout=60)

    figures = json.loads(printed.splitlines()[-1])
    assert figures["growth"]["polls"] == 5000
    assert figures["growth"]["grown_tasks"] == 0
