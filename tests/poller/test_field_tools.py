"""The commands `read`, `probe` and `scan` as people and programs use them: output, errors and exit codes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from commands.lazily import Commands
from models.gateways import DataType, Encoding, Table, WordOrder
from poller.command_line import Progress
from poller.decode import encode
from poller.field_tools import register
from tests.poller.conftest import ServingThread, StartGateway
from tests.poller.register_server import RegisterServer, registers, serving
from tests.program import ROOT, Program

Run = Callable[..., Result]

EXACT = 18_446_744_073_709_551_557  # as a float it would be another number


@click.group(cls=Commands)
def tools() -> None:
    """The field tools alone."""


register(tools)


def run(*words: str) -> Result:
    return CliRunner().invoke(tools, words, prog_name="app.py")


def answer(result: Result) -> dict[str, Any]:
    """The JSON object on the last line."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1], parse_constant=refuse)
    return found


def words_of(value: float, data_type: DataType, order: WordOrder, size: int) -> list[int]:
    return encode(value, Encoding(data_type, order, size))


@pytest.fixture
def server(serving_thread: ServingThread) -> Iterator[RegisterServer]:
    """Unit 1 with a value of every kind; unit 9 is silent."""
    holding = (
        registers(0, words_of(230.5, DataType.FLOAT32, WordOrder.CDAB, 2))
        | registers(100, words_of(EXACT, DataType.UINT64, WordOrder.ABCDEFGH, 4))
        | registers(200, [0x7FC0, 0])
        | registers(210, [0x7F80, 0])
        | registers(300, words_of(49.98, DataType.FLOAT32, WordOrder.ABCD, 2))
        | registers(302, words_of(400.25, DataType.FLOAT32, WordOrder.ABCD, 2))
        | registers(400, [0x5072, 0x6573, 0x7320, 0x4131, 0])
        | registers(500, [10, 20, 30])
    )
    units = {1: {Table.HOLDING: holding, Table.COIL: registers(0, [1, 0, 1])}}
    with serving(serving_thread, RegisterServer(units)) as server:
        yield server


# ---------------------------------------------------------------- read


def test_read_prints_one_json_object_with_what_was_asked(server: RegisterServer) -> None:
    result = run("read", server.address, "--address", "0", "--type", "float32", "--order", "CDAB", "--json")
    shown = answer(result)
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 1
    assert (shown["value"], shown["quality"], shown["words"]) == (230.5, "good", [0x8000, 0x4366])
    assert 0 < shown["round_trip_ms"] < 1000
    assert {way["order"] for way in shown["orders"]} == {"ABCD", "CDAB", "BADC", "DCBA"}
    assert shown["orders"][0]["order"] == "CDAB"


@pytest.mark.parametrize("scale", [[], ["--scale", "1"]], ids=["no scale", "scale 1"])
def test_a_large_whole_number_is_exact_in_json(server: RegisterServer, scale: list[str]) -> None:
    result = run("read", server.address, "--address", "100", "--type", "uint64", *scale, "--json")
    assert f'"value": {EXACT},' in result.stdout


def test_scale_and_offset_are_applied(server: RegisterServer) -> None:
    words = ["--address", "500", "--scale", "0.1", "--offset", "-5", "--json"]
    assert answer(run("read", server.address, *words))["value"] == -4.0


def test_a_hexadecimal_address_is_the_same_as_a_decimal_one(server: RegisterServer) -> None:
    assert answer(run("read", server.address, "--address", "0x1F4", "--json"))["value"] == 10


@pytest.mark.parametrize("address", ["200", "210"], ids=["NaN", "infinity"])
def test_what_is_no_number_is_null(server: RegisterServer, address: str) -> None:
    shown = answer(run("read", server.address, "--address", address, "--type", "float32", "--json"))
    assert (shown["value"], shown["quality"]) == (None, "not available")


def test_a_pattern_of_the_device_is_null(server: RegisterServer) -> None:
    words = ["--address", "500", "--not-available", "FFFF", "--not-available", "0x000x", "--json"]
    assert answer(run("read", server.address, *words))["quality"] == "not available"


def test_text_is_a_json_string(server: RegisterServer) -> None:
    words = ["--address", "400", "--type", "string", "--words", "5", "--json"]
    assert answer(run("read", server.address, *words))["value"] == "Press A1"


def test_a_bit_is_0_or_1(server: RegisterServer) -> None:
    shown = answer(run("read", server.address, "--table", "coil", "--address", "2", "--json"))
    assert (shown["value"], shown["words"]) == (1, [1])
    shown = answer(run("read", server.address, "--address", "500", "--type", "bit", "--bit", "3", "--json"))
    assert (shown["value"], shown["words"]) == (1, [10])


def test_a_range_has_a_value_for_each(server: RegisterServer) -> None:
    shown = answer(run("read", server.address, "--address", "500", "--count", "3", "--json"))
    assert (shown["values"], shown["words"]) == ([10, 20, 30], [10, 20, 30])


def test_people_see_all_orders_and_which_looks_right(server: RegisterServer) -> None:
    result = run("read", server.address, "--address", "0", "--type", "float32")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("  ")][1:]
    assert [(row[0], row[1], row[3]) for row in rows][:1] == [("0", "CDAB", "230.5")]
    assert {row[1] for row in rows if row[0] == "0"} == {"ABCD", "CDAB", "BADC", "DCBA"}
    assert result.stdout.splitlines()[-1].startswith("230.5 (CDAB) looks right, rather than")
    assert result.stdout.splitlines()[-1].endswith("--order CDAB.")


def test_people_are_told_when_the_address_is_one_off(server: RegisterServer) -> None:
    result = run("read", server.address, "--address", "301", "--type", "float32", "--expect", "Hz")
    assert "Nothing at 301 looks right, but 49.9799995 (ABCD) at 300 does: --address 300" in result.stdout


def test_a_refused_read_is_a_json_error_with_its_code(server: RegisterServer) -> None:
    result = run("read", server.address, "--address", "9000", "--json")
    assert result.exit_code == 1
    assert answer(result)["exception"] == 2 and "illegal data address" in answer(result)["error"]


def test_a_refused_read_tells_people_what_to_try(server: RegisterServer) -> None:
    result = run("read", server.address, "--address", "9000")
    assert result.exit_code == 1 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and "counted from zero" in result.stderr


def test_a_silent_unit_is_an_error_in_time(server: RegisterServer) -> None:
    started = time.monotonic()
    result = run("read", server.address, "--unit", "9", "--timeout", "0.2", "--json")
    assert time.monotonic() - started < 2.0
    assert result.exit_code == 1
    assert answer(result)["exception"] is None and "unit 9 silent" in answer(result)["error"]


def test_an_unreachable_gateway_is_one_line(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway()
    gateway.close()
    for command in ("read", "probe", "scan"):
        result = run(command, f"127.0.0.1:{gateway.port}")
        assert (result.exit_code, result.stdout) == (1, ""), command
        assert "connection refused" in result.stderr and len(result.stderr.splitlines()) == 1, command
        shown = answer(run(command, f"127.0.0.1:{gateway.port}", "--json"))
        assert shown == {"error": shown["error"], "exception": None}, command


def test_a_name_that_does_not_resolve_is_one_line() -> None:
    result = run("read", "no-such-host.invalid")
    assert result.exit_code == 1 and "does not resolve" in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["read", "http://10.0.0.7"], "is no gateway"),
        (["read", "10.0.0.7:99999"], "a port is 1 to 65535"),
        (["read", "127.0.0.1", "--unit", "256"], "--unit 256"),
        (["read", "127.0.0.1", "--address", "70000"], "--address 70000"),
        (["read", "127.0.0.1", "--type", "int32", "--order", "AB"], "--order AB does not fit int32"),
        (["read", "127.0.0.1", "--type", "bit"], "needs --bit"),
        (["read", "127.0.0.1", "--type", "string"], "needs --words"),
        (["read", "127.0.0.1", "--scale", "0"], "--scale 0"),
        (["read", "127.0.0.1", "--address", "65535", "--type", "float64"], "goes past 65535"),
        (["read", "127.0.0.1", "--count", "200"], "--count 200"),
        (["read", "127.0.0.1", "--timeout", "0"], "--timeout 0"),
        (["scan", "127.0.0.1", "--units", "1-300"], "--units '1-300'"),
        (["probe", "127.0.0.1", "--count", "126"], "--count 126"),
        (["probe", "127.0.0.1", "--interval", "nan"], "--interval nan"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else None,
)
def test_what_can_not_be_asked_is_refused_in_one_line(words: list[str], complaint: str) -> None:
    result = run(*words)
    assert result.exit_code == 2 and result.stdout == ""
    assert complaint in result.stderr and len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["read", "127.0.0.1", "--scale", "0"], "--scale 0"),
        (["read", "127.0.0.1", "--words", "two"], "'two' is not a valid integer"),
        (["read"], "Missing argument"),
        (["scan", "127.0.0.1", "--units", "1-300"], "--units '1-300'"),
        (["probe", "127.0.0.1", "--nonsense"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_can_not_be_asked_is_an_object_too_when_one_is_wanted(words: list[str], complaint: str) -> None:
    result = run(*words, "--json")
    assert result.exit_code == 2 and complaint in answer(result)["error"]


def test_an_ipv6_gateway_is_written_in_brackets(serving_thread: ServingThread) -> None:
    server = RegisterServer({1: {Table.HOLDING: registers(0, [7])}}, host="::1")
    with serving(serving_thread, server):
        assert answer(run("read", f"[::1]:{server.port}", "--json"))["value"] == 7


# ---------------------------------------------------------------- probe and scan


def test_probe_prints_its_figures_as_json(server: RegisterServer) -> None:
    result = run("probe", server.address, "--address", "0", "--requests", "4", "--json")
    shown = answer(result)
    assert result.exit_code == 0 and shown["complete"]
    assert (shown["requests"], shown["replies"], shown["late"], shown["lost"]) == (4, 4, 0, 0)
    assert 0 < shown["round_trip_ms"]["min"] <= shown["round_trip_ms"]["median"] <= shown["round_trip_ms"]["max"]
    assert shown["suggested"]["options"] == "--shortest-timeout 1.5 --longest-timeout 30 --first-timeout 5"


def test_probe_tells_people_what_to_set(server: RegisterServer) -> None:
    result = run("probe", server.address, "--address", "0", "--requests", "3", "--interval", "0.01")
    assert "serial time-out must stay below it" in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last.startswith("python app.py gateway edit NAME --shortest-timeout 1.5 --longest-timeout 30")


def test_probe_of_a_silent_unit_is_an_error_in_time(server: RegisterServer) -> None:
    result = run("probe", server.address, "--unit", "9", "--requests", "500", "--timeout", "0.1", "--json")
    assert result.exit_code == 1 and "unit 9 silent" in answer(result)["error"]


def test_probe_says_that_replies_come_too_late_and_not_that_there_are_none(server: RegisterServer) -> None:
    server.late_s = {1: [0.15] * 3}
    result = run("probe", server.address, "--requests", "3", "--timeout", "0.1", "--json")
    shown = answer(result)
    assert result.exit_code == 1 and (shown["late"], shown["lost"], shown["suggested"]) == (3, 0, None)
    assert shown["advice"] == ["3 of 3 replies came after the time-out: measure again with a longer --timeout"]


def test_scan_prints_what_it_found_as_json_alone(server: RegisterServer) -> None:
    result = run("scan", server.address, "--units", "1", "--timeout", "0.2", "--json")
    shown = answer(result)
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 1
    assert (shown["complete"], [unit["unit"] for unit in shown["units"]]) == (True, [1])


def test_scan_gives_people_a_command_to_paste(simulated_gateway: StartGateway) -> None:
    gateway = simulated_gateway({2: "eastron-sdm630"})
    result = run("scan", f"127.0.0.1:{gateway.port}", "--units", "2")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        f"python app.py gateway add NAME 127.0.0.1 --port {gateway.port} --device 2:eastron-sdm630"
    )


def test_long_work_shows_now_and_then_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    progress = Progress(clock=lambda: next(seconds))
    for done in (1, 2, 3, 4):
        progress.show(f"{done} of 4")
    progress.end()
    assert capsys.readouterr() == ("", "2 of 4\n4 of 4\n")


def test_a_scan_that_finds_nothing_says_what_to_look_at(serving_thread: ServingThread) -> None:
    with serving(serving_thread, RegisterServer({}, absent_code=11)) as server:
        result = run("scan", server.address, "--units", "1-3")
    assert "No unit answers" in result.stdout


# ---------------------------------------------------------------- the real program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_the_program_reads_a_value_and_touches_no_database(server: RegisterServer, program: Program) -> None:
    result = program.run("read", server.address, "--address", "100", "--type", "uint64", "--scale", "1", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["value"] == EXACT
    assert list(program.folder.iterdir()) == []


def test_ctrl_c_ends_a_scan_with_what_was_found(server: RegisterServer, program: Program) -> None:
    scanning = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "scan", server.address, "--units", "1-247", "--json"],
        cwd=program.folder,
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    program.until(lambda: any(unit_id == 3 for unit_id, _ in server.asked))
    scanning.send_signal(signal.SIGINT)
    output, errors = scanning.communicate(timeout=10)
    assert scanning.returncode == 1 and "Traceback" not in errors
    shown = json.loads(output.splitlines()[-1])
    assert (shown["complete"], [unit["unit"] for unit in shown["units"]]) == (False, [1])
