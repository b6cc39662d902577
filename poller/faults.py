"""The faults of a simulated gateway, and the client of the control panel that switches them.

The control panel is a Modbus device itself. Its holding registers, by wire address:
0            number of gateways (read only)
n            fault of gateway n, counted from 1 (a code of `Fault`)
100 + n      argument of that fault: seconds, exception code or unit; 0 means the usual one
1000..1004   one override, written in one request: gateway, unit, index of the point in its template, float32 (high
             word first); NaN ends the override
"""

import math
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

ARGUMENTS_FROM = 100
LARGEST_ARGUMENT = 255
OVERRIDE_AT = 1000
OVERRIDE_WORDS = 5
CONTROL_HOST = "127.0.0.1"
CONTROL_TIMEOUT_S = 8.0

READ_HOLDING, WRITE_ONE, WRITE_MANY = 3, 6, 16


class Fault(IntEnum):
    """What can be wrong with a gateway; the number is its code on the control panel."""

    NONE = 0
    SILENT = 1  # accepts connections and requests, answers nothing
    REFUSE = 2  # the port is closed
    LATE = 3  # answers after `argument` seconds
    EXCEPTION = 4  # answers every request with exception `argument`
    GARBAGE = 5  # answers with random bytes
    CUT = 6  # ends the connection in the middle of a reply
    METER_SILENT = 7  # unit `argument` does not answer, the others do

    @property
    def word(self) -> str:
        """The fault as it is written on the command line."""
        return self.name.lower().replace("_", "-")

    @property
    def usual_argument(self) -> int:
        return {Fault.LATE: 8, Fault.EXCEPTION: 4, Fault.METER_SILENT: 2}.get(self, 0)


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault with its argument; `argument` 0 stands for the usual one."""

    fault: Fault = Fault.NONE
    argument: int = 0

    @property
    def effective_argument(self) -> int:
        return self.argument or self.fault.usual_argument


class ControlFailed(Exception):
    """The control panel did not do as it was told; the message says what to do."""


def fault_by_word(word: str) -> Fault:
    """The fault of a word on the command line; raises ControlFailed with the words there are."""
    for fault in Fault:
        if fault.word == word:
            return fault
    raise ControlFailed(f"no fault is called {word!r}; there are {', '.join(fault.word for fault in Fault)}")


def set_fault(control_port: int, gateway_number: int, fault: Fault, argument: int = 0) -> None:
    """Switch a gateway's fault; it is in force when this returns. Raises ControlFailed."""
    if not 0 <= argument <= LARGEST_ARGUMENT:
        raise ControlFailed(f"the argument of a fault is 0 to {LARGEST_ARGUMENT}, not {argument}")
    _check_number(control_port, gateway_number)
    _write(control_port, ARGUMENTS_FROM + gateway_number, [argument])
    _write(control_port, gateway_number, [int(fault)])


def clear(control_port: int, gateway_number: int | None = None) -> None:
    """End the fault of one gateway, or of all."""
    numbers = range(1, _gateways(control_port) + 1) if gateway_number is None else [gateway_number]
    for number in numbers:
        set_fault(control_port, number, Fault.NONE)


def active_faults(control_port: int) -> dict[int, ActiveFault]:
    """What is switched on at each gateway, by its number."""
    count = _gateways(control_port)
    codes = _read(control_port, 1, count)
    arguments = _read(control_port, ARGUMENTS_FROM + 1, count)
    return {
        number: ActiveFault(Fault(code), argument)
        for number, (code, argument) in enumerate(zip(codes, arguments, strict=True), start=1)
    }


def override(control_port: int, gateway_number: int, unit_id: int, point_index: int, value: float | None) -> None:
    """Make a point of the running simulator show `value` from now on; None lets it follow the plant again.

    point_index: place of the point in its device template, from 0.
    """
    _check_number(control_port, gateway_number)
    try:
        shown = struct.unpack(">HH", struct.pack(">f", math.nan if value is None else value))
    except OverflowError as error:
        raise ControlFailed(f"{value} does not fit a float32") from error
    _write(control_port, OVERRIDE_AT, [gateway_number, unit_id, point_index, *shown])


def _check_number(control_port: int, gateway_number: int) -> None:
    count = _gateways(control_port)
    if not 1 <= gateway_number <= count:
        raise ControlFailed(f"the simulated plant has gateways 1 to {count}, no {gateway_number}")


def _gateways(control_port: int) -> int:
    return _read(control_port, 0, 1)[0]


def _read(control_port: int, address: int, count: int) -> list[int]:
    reply = _exchange(control_port, struct.pack(">BHH", READ_HOLDING, address, count))
    return list(struct.unpack(f">{count}H", reply[2:]))


def _write(control_port: int, address: int, words: list[int]) -> None:
    head = struct.pack(">BHHB", WRITE_MANY, address, len(words), 2 * len(words))
    try:
        written = struct.pack(f">{len(words)}H", *words)
    except struct.error as error:
        raise ControlFailed(f"{words} do not all fit a register, 0 to 65535") from error
    _exchange(control_port, head + written)


def _exchange(control_port: int, pdu: bytes) -> bytes:
    """Send one request and return the reply's PDU."""
    try:
        with socket.create_connection((CONTROL_HOST, control_port), timeout=CONTROL_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">HHHB", 1, 0, len(pdu) + 1, 1) + pdu)
            reply = _received(connection)
    except OSError as error:
        raise ControlFailed(
            f"no simulated plant answers on {CONTROL_HOST}:{control_port} ({error.strerror or error})"
            " (is it running? `make demo` starts it; MONITOR_DEMO_PORT is its control port)"
        ) from error
    if len(reply) < 2 or reply[0] != pdu[0]:
        raise ControlFailed(
            f"the program on {CONTROL_HOST}:{control_port} refuses this"
            " (is it the simulated plant? MONITOR_DEMO_PORT is its control port; are unit, point and value right?)"
        )
    return reply


def _received(connection: socket.socket) -> bytes:
    """The PDU of one reply; what there is of it when the connection ends."""
    with connection.makefile("rb") as stream:
        header = stream.read(7)
        return stream.read(int.from_bytes(header[4:6]) - 1) if len(header) == 7 else b""
