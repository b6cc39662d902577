"""The simulated plant as a program: its ports, its control panel, its end and its succession."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ModbusPDU

from models.device_template import template
from poller.decode import decode
from poller.demo_plant import GATEWAYS, UnknownGateway, gateway_number
from poller.faults import (
    ActiveFault,
    ControlFailed,
    Fault,
    active_faults,
    clear,
    fault_by_word,
    override,
    set_fault,
)
from poller.simulator import main
from poller.succession import Succession

ROOT = Path(__file__).parents[2]
PORT = 15110  # of the plant that lives through all tests
LIFE_PORT = 15130  # of those that are born and die in one
WELDING = gateway_number("Welding")
Process = subprocess.Popen[bytes]


class Program:
    """Starts the simulator as a process, with a pipe on its standard input as its parent's sign of life."""

    def __init__(self, folder: Path, port: int = LIFE_PORT) -> None:
        self.folder = folder
        self._port = port
        self._started: list[Process] = []

    def start(self, *words: str, stdin: int = subprocess.PIPE) -> Process:
        command = [
            sys.executable,
            "-m",
            "poller.simulator",
            "--port",
            str(self._port),
            "--lock-folder",
            str(self.folder),
        ]
        process = subprocess.Popen([*command, *words], cwd=ROOT, stdin=stdin, stderr=subprocess.PIPE)
        self._started.append(process)
        return process

    def stop(self) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(5)
            for pipe in (process.stdin, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    program.stop()


@pytest.fixture(scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("locks")


@pytest.fixture(scope="module")
def plant(locks: Path) -> Iterator[Process]:
    """One running plant for all tests that only talk to it."""
    program = Program(locks, PORT)
    process = program.start()
    assert eventually(lambda: answers(PORT), 15)
    yield process
    program.stop()


def eventually(claim: Callable[[], bool], within_s: float = 5.0) -> bool:
    give_up = monotonic() + within_s
    while not claim():
        if monotonic() > give_up:
            return False
        sleep(0.02)
    return True


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def read(number: int, unit_id: int, key: str, timeout_s: float = 3.0) -> float | int | str | None:
    """A point of a demo gateway, by a real client."""
    model = template(GATEWAYS[number - 1].meters[unit_id - 2].template)
    point = next(point for point in model.points if point.key == key)
    with ModbusTcpClient("127.0.0.1", port=PORT + number, timeout=timeout_s, retries=0) as client:
        ask = client.read_holding_registers if point.table == "holding" else client.read_input_registers
        return decode(ask(point.address, count=point.word_count, device_id=unit_id).registers, point.encoding)


def read_patiently(number: int, unit_id: int, key: str) -> float | int | str | None:
    """A point of a gateway that may be flaky: every other request of a bad moment is answered."""
    try:
        return read(number, unit_id, key, timeout_s=1.0)
    except ModbusIOException:
        return read(number, unit_id, key)


def index_of(number: int, unit_id: int, key: str) -> int:
    points = template(GATEWAYS[number - 1].meters[unit_id - 2].template).points
    return [point.key for point in points].index(key)


def complaint(process: Process) -> str:
    assert process.stderr is not None
    return process.stderr.read().decode()


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_every_demo_gateway_serves_its_meters(plant: Process, gateway: object) -> None:
    number = 1 + GATEWAYS.index(gateway)
    for unit_id in range(2, 2 + len(GATEWAYS[number - 1].meters)):
        power_w = read_patiently(number, unit_id, "active_power")
        assert isinstance(power_w, float | int) and 100 < power_w < 60_000


def test_a_fault_is_switched_read_back_and_cleared(plant: Process) -> None:
    set_fault(PORT, WELDING, Fault.METER_SILENT, 3)
    assert active_faults(PORT)[WELDING] == ActiveFault(Fault.METER_SILENT, 3)
    with pytest.raises(ModbusIOException):
        read(WELDING, 3, "active_power", timeout_s=0.3)
    clear(PORT)
    assert set(active_faults(PORT).values()) == {ActiveFault()}
    assert read(WELDING, 3, "active_power", timeout_s=5) is not None


def test_a_gateway_that_refuses_comes_back(plant: Process) -> None:
    set_fault(PORT, 1, Fault.REFUSE)
    assert not answers(PORT + 1)
    clear(PORT, 1)
    assert answers(PORT + 1)


def test_a_value_is_overridden_from_another_process_and_let_go(plant: Process) -> None:
    power = index_of(WELDING, 2, "active_power")
    override(PORT, WELDING, 2, power, 33_300.0)
    assert read(WELDING, 2, "active_power") == 33_300.0
    override(PORT, WELDING, 2, power, None)
    assert read(WELDING, 2, "active_power") != 33_300.0


@pytest.mark.parametrize(
    ("unit_id", "point_index", "value"),
    [
        pytest.param(99, 0, 1.0, id="no such unit"),
        pytest.param(2, 999, 1.0, id="no such point"),
        pytest.param(2, 0, 1e30, id="a value out of range"),
    ],
)
def test_an_impossible_override_is_refused(plant: Process, unit_id: int, point_index: int, value: float) -> None:
    with pytest.raises(ControlFailed, match="refuses this"):
        override(PORT, WELDING, unit_id, point_index, value)


def test_a_gateway_that_is_not_there_is_named(plant: Process) -> None:
    with pytest.raises(ControlFailed, match="has gateways 1 to 8, no 9"):
        set_fault(PORT, 9, Fault.SILENT)


def test_an_argument_out_of_range_is_refused(plant: Process) -> None:
    with pytest.raises(ControlFailed, match="0 to 255, not 256"):
        set_fault(PORT, 1, Fault.LATE, 256)
    with pytest.raises(ControlFailed, match="does not fit a float32"):
        override(PORT, WELDING, 2, 0, 1e39)


@pytest.mark.parametrize(
    ("function_code", "address", "code"), [(3, 9, 2), (3, 109, 2), (6, 0, 2), (4, 1, 1), (6, 1, 3)]
)
def test_the_panel_answers_what_it_cannot_do_with_an_exception(
    plant: Process, function_code: int, address: int, code: int
) -> None:
    with ModbusTcpClient("127.0.0.1", port=PORT, timeout=3, retries=0) as client:
        ask: dict[int, Callable[[], ModbusPDU]] = {
            3: lambda: client.read_holding_registers(address, count=1),
            4: lambda: client.read_input_registers(address, count=1),
            6: lambda: client.write_register(address, 99),
        }
        reply = ask[function_code]()
    assert reply.isError() and reply.exception_code == code


def test_without_a_plant_the_remedy_is_told() -> None:
    with pytest.raises(ControlFailed, match=r"127.0.0.1:15199 .*make demo.*MONITOR_DEMO_PORT"):
        set_fault(15199, 1, Fault.SILENT)


def test_faults_and_gateways_are_known_by_their_words() -> None:
    assert [fault_by_word(fault.word) for fault in Fault] == list(Fault)
    assert fault_by_word("meter-silent") is Fault.METER_SILENT
    with pytest.raises(ControlFailed, match="no fault is called 'broken'; there are none, silent"):
        fault_by_word("broken")
    assert gateway_number("welding") == WELDING
    with pytest.raises(UnknownGateway, match="no gateway 'Weldin'; there is Welding"):
        gateway_number("Weldin")


def test_the_plant_rests_between_requests(plant: Process) -> None:
    process = psutil.Process(plant.pid)
    before = process.cpu_times()
    sleep(1.0)
    after = process.cpu_times()
    assert (after.user + after.system) - (before.user + before.system) < 0.05
    assert process.memory_info().rss < 150_000_000


def test_without_a_pipe_it_runs_until_a_signal_ends_it_cleanly_at_once(program: Program) -> None:
    process = program.start("--linger-s", "0", stdin=subprocess.DEVNULL)
    assert eventually(lambda: answers(LIFE_PORT), 15)
    sleep(0.4)
    assert process.poll() is None
    with socket.create_connection(("127.0.0.1", LIFE_PORT + 1)):
        told = monotonic()
        process.send_signal(signal.SIGTERM)
        assert eventually(lambda: not answers(LIFE_PORT), 1)
        assert process.wait(5) == 0
        assert monotonic() - told < 3  # 0.3 s on a machine that has nothing else to do
    assert "Traceback" not in complaint(process)


def test_a_port_of_a_stranger_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("poller.modbus_server.BIND_PATIENCE_S", 0.3)
    with closing(socket.create_server(("127.0.0.1", LIFE_PORT + 3))):
        assert main(["--port", str(LIFE_PORT), "--lock-folder", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"port {LIFE_PORT + 3}" in line and "MONITOR_DEMO_PORT" in line


def test_an_orphan_lingers_and_then_leaves(program: Program) -> None:
    process = program.start("--linger-s", "1")
    assert eventually(lambda: answers(LIFE_PORT), 15)
    assert process.stdin is not None
    process.stdin.close()
    sleep(0.5)
    assert process.poll() is None and answers(LIFE_PORT + 1)
    assert process.wait(5) == 0


def test_an_orphan_leaves_at_once_for_its_successor(program: Program) -> None:
    orphan = program.start("--linger-s", "60")
    assert eventually(lambda: answers(LIFE_PORT), 15)
    assert orphan.stdin is not None
    orphan.stdin.close()
    successor = program.start()
    assert orphan.wait(15) == 0
    assert eventually(lambda: answers(LIFE_PORT))
    assert successor.poll() is None


def test_whoever_has_a_parent_stays_and_the_newcomer_waits_until_ctrl_c(plant: Process, locks: Path) -> None:
    newcomer = Program(locks, PORT)
    try:
        waiting = newcomer.start()
        assert eventually(Succession(locks, "simulator").is_wanted, 15)
        sleep(0.5)
        assert plant.poll() is None and waiting.poll() is None
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(5) == 0
        assert plant.poll() is None
    finally:
        newcomer.stop()


@pytest.mark.parametrize(
    ("words", "said"), [(["--zone", "Mars/Base"], "no IANA time zone"), (["--port", "x"], "--port")]
)
def test_wrong_words_are_explained(words: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert said in capsys.readouterr().err


def test_an_unusable_lock_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--lock-folder", str(tmp_path / "file")]) == 2
    assert f"cannot make the folder {tmp_path}/file" in capsys.readouterr().err
