"""What a person asks of a gateway on the command line: which one, which units, which registers."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

from models.device_template import LAST_ADDRESS

MODBUS_PORT = 502
LAST_PORT = 65535
LAST_UNIT = 255
MOST_REGISTERS, MOST_BITS = 125, 2000  # Source: Modbus Application Protocol 1.1b3, sections 6.1 to 6.4
LONGEST_TIMEOUT_S = 120.0
LONGEST_INTERVAL_S = 3600.0

_BRACKETED = re.compile(r"\[(?P<host>[^\]]+)\](:(?P<port>.*))?")
_PLAIN = re.compile(r"(?P<host>[^\s:/@\[\]]+)(:(?P<port>[^:/]*))?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]+")


class BadQuestion(Exception):
    """A question that can't be asked; the message names the option, what is wrong with it and the remedy."""


@dataclass(frozen=True, slots=True)
class Target:
    """The Modbus TCP server that is asked."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target(text: str) -> Target:
    """The target of HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address; the port is 502 when none is given."""
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed and _is_ipv6(bracketed["host"]):
        return Target(bracketed["host"], _port(bracketed["port"], text))
    if _is_ipv6(text):
        return Target(text, MODBUS_PORT)
    plain = _PLAIN.fullmatch(text)
    if not plain:
        raise BadQuestion(f"{text!r} is no gateway; give HOST or HOST:PORT, such as 10.0.0.7:502 or [fd00::7]:502")
    return Target(plain["host"], _port(plain["port"], text))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _port(port: str | None, text: str) -> int:
    if port is None:
        return MODBUS_PORT
    if not port.isdecimal() or not 1 <= int(port) <= LAST_PORT:
        raise BadQuestion(f"port {port!r} of {text!r}: a port is 1 to {LAST_PORT}, Modbus TCP's is {MODBUS_PORT}")
    return int(port)


def unit_ids(text: str) -> list[int]:
    """The units of a list like 1,2,5-9, in its order, each once."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise BadQuestion(f"--units {text!r}: {part.strip()!r} is no unit; give 1-247 or a list like 1,2,5-9")
        ids = range(int(first), int(last if dash else first) + 1)
        if not ids or ids[-1] > LAST_UNIT:
            raise BadQuestion(f"--units {text!r}: {part.strip()!r} is no range of units between 0 and {LAST_UNIT}")
        found.update(dict.fromkeys(ids))
    return list(found)


def unit_id(number: int) -> int:
    if not 0 <= number <= LAST_UNIT:
        raise BadQuestion(f"--unit {number}: a unit id is 0 to {LAST_UNIT} (a router itself is usually 1)")
    return number


def address(text: str) -> int:
    """A zero-based address, decimal or 0x... hexadecimal."""
    if not _NUMBER.fullmatch(text):
        raise BadQuestion(f"--address {text!r} is none; give it from zero, like 3060 or 0x0BF4")
    number = int(text, 16 if text[:2].lower() == "0x" else 10)
    if number > LAST_ADDRESS:
        raise BadQuestion(
            f"--address {text}: an address is 0 to {LAST_ADDRESS}, counted from zero as on the wire"
            " (a manual's 40001 is holding register 0, its 30001 input register 0)"
        )
    return number


def timeout_s(seconds: float) -> float:
    if not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise BadQuestion(f"--timeout {seconds:g}: give more than 0 and at most {LONGEST_TIMEOUT_S:g} seconds")
    return seconds


def interval_s(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST_INTERVAL_S:
        raise BadQuestion(f"--interval {seconds:g}: give 0 to {LONGEST_INTERVAL_S:g} seconds")
    return seconds
