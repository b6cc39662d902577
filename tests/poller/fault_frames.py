"""What can happen to one Modbus request, and the bytes that it makes of the reply; shares no code with what it tests.

Two registers hold one number: the even one its unit and its own address, the odd one the generation, which grows with
every request. So a value of a neighbouring register, of another unit or of an earlier request can't pass for the right
one.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

HEADER = struct.Struct(">HHHB")  # transaction, protocol (0), bytes that follow, unit
LARGEST_ADDRESS = 4096  # where the encoding of addresses ends
GENERATIONS = 65536
GARBAGE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


class Fault(StrEnum):
    """What can happen to one request."""

    NONE = "answered"
    DELAY = "answered after some seconds"
    DROP = "not answered"
    WRONG_TRANSACTION = "transaction id of the request before"
    WRONG_UNIT = "reply of another unit"
    WRONG_FUNCTION = "reply to another function"
    WRONG_PROTOCOL = "protocol id that is not 0"
    WRONG_BYTE_COUNT = "byte count that is not that of the bytes"
    BYTES_MISSING = "fewer bytes than the byte count says"
    ONE_TOO_MANY = "one register too many"
    ONE_TOO_FEW = "one register too few"
    SHORT_FRAME = "frame that ends early"
    GARBAGE = "bytes that are no Modbus"
    RESET = "reset in the middle of the frame"
    CUT = "closed in the middle of the frame"
    HALF_OPEN = "connection that stays, mute and deaf"
    EXCEPTION = "exception"
    WRONG_EXCEPTION = "exception to another function"
    REBOOT = "everything closed, back after some seconds"
    DRIP = "a byte every so many seconds"
    GLUED = "reply to the request before and the right one in one segment"
    DUPLICATE = "the right reply twice"
    EARLY = "the right reply, and an old one under the id that comes next, in one segment"
    CROSSED = "answered after some seconds, on every other connection"


@dataclass(frozen=True, slots=True)
class Step:
    """A fault with its argument: seconds, or the code of an exception."""

    fault: Fault = Fault.NONE
    argument: float = 0.0


@dataclass(slots=True)
class Asked:
    """One request as it came, and what was done with it. `number` counts from 1 since the server was told what to play.

    is_answered: the right reply has left, whole. is_given_up: the client had ended its side by then.
    """

    number: int
    connection: int
    generation: int
    transaction_id: int
    unit_id: int
    function_code: int
    address: int
    count: int
    step: Step = Step()
    is_answered: bool = False
    is_given_up: bool = False


def value_at(unit_id: int, address: int, generation: int) -> int:
    """The number in the two registers at an even address, as it was at this generation."""
    return (unit_id * LARGEST_ADDRESS + address) << 16 | generation % GENERATIONS


def generation_of(value: int) -> int:
    return value % GENERATIONS


def frame(asked: Asked, pdu: bytes, transaction_id: int | None = None, unit_id: int | None = None) -> bytes:
    """A reply with its header; the ids are those of the request unless others are given."""
    transaction = asked.transaction_id if transaction_id is None else transaction_id % 65536
    return HEADER.pack(transaction, 0, len(pdu) + 1, asked.unit_id if unit_id is None else unit_id) + pdu


def words_pdu(function_code: int, words: Sequence[int]) -> bytes:
    return bytes([function_code, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words)


def exception_frame(asked: Asked, code: int) -> bytes:
    return frame(asked, bytes([asked.function_code | 0x80, code]))


def bytes_of(asked: Asked, words: Sequence[int], before: Sequence[int]) -> bytes:
    """What the fault of a request makes of its reply. words: the right ones; before: those of one request earlier."""
    pdu = words_pdu(asked.function_code, words)
    right = frame(asked, pdu)
    other_function = asked.function_code ^ 7  # 3 and 4, and no other pair that is in use
    match asked.step.fault:
        case Fault.WRONG_TRANSACTION:
            return frame(asked, words_pdu(asked.function_code, before), transaction_id=asked.transaction_id - 1)
        case Fault.WRONG_UNIT:
            return frame(asked, pdu, unit_id=asked.unit_id + 1)
        case Fault.WRONG_FUNCTION:
            return frame(asked, words_pdu(other_function, words))
        case Fault.WRONG_PROTOCOL:
            return right[:2] + b"\0\7" + right[4:]
        case Fault.WRONG_BYTE_COUNT:
            return frame(asked, bytes([pdu[0], pdu[1] - 2]) + pdu[2:])
        case Fault.BYTES_MISSING:
            return frame(asked, pdu[:-2])
        case Fault.ONE_TOO_MANY:
            return frame(asked, words_pdu(asked.function_code, [*words, 0]))
        case Fault.ONE_TOO_FEW:
            return frame(asked, words_pdu(asked.function_code, words[:-1]))
        case Fault.SHORT_FRAME | Fault.RESET | Fault.CUT:
            return right[: -len(right) // 2]
        case Fault.GARBAGE:
            return GARBAGE
        case Fault.EXCEPTION:
            return exception_frame(asked, int(asked.step.argument))
        case Fault.WRONG_EXCEPTION:
            return frame(asked, bytes([other_function | 0x80, int(asked.step.argument)]))
        case Fault.GLUED:
            stale = frame(asked, words_pdu(asked.function_code, before), transaction_id=asked.transaction_id - 1)
            return stale + right
        case Fault.EARLY:
            return right + frame(asked, words_pdu(asked.function_code, before), transaction_id=asked.transaction_id + 1)
        case Fault.DUPLICATE:
            return right + right
    return right
