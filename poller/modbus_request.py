"""Modbus requests as bytes, made by pymodbus' PDUs, and what a reply to each must look like."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from models.gateways import Table

MOST_BITS_WRITTEN = 1968  # Modbus Application Protocol 1.1b3, section 6.11
MOST_REGISTERS_WRITTEN = 123  # section 6.12
ECHO_BYTES = 5  # a write's reply repeats its function, address and value or count
IDENTIFY_BYTES = 7  # of an identification before its objects; section 6.21
READS = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}
WRITES: dict[Table, tuple[Callable[..., ModbusPDU], Callable[..., ModbusPDU]]] = {  # one value, several
    Table.COIL: (WriteSingleCoilRequest, WriteMultipleCoilsRequest),
    Table.HOLDING: (WriteSingleRegisterRequest, WriteMultipleRegistersRequest),
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request's PDU and what its reply must be: how it starts, and its length in bytes (0: the device decides)."""

    pdu: bytes
    reply_start: bytes
    reply_bytes: int

    @property
    def function_code(self) -> int:
        return self.pdu[0]

    def is_answered_by(self, body: bytes) -> bool:
        return body.startswith(self.reply_start) and self.reply_bytes in (0, len(body))

    def is_refused_by(self, body: bytes) -> bool:
        """Whether the reply is a Modbus exception to this request; its last byte is the code."""
        return len(body) == 2 and body[0] == self.pdu[0] | 0x80


@lru_cache(maxsize=4096)  # a plant has few kinds of meters, and every connection asks for the same blocks
def read_request(table: Table, address: int, count: int) -> Request:
    """Raises ValueError for an address or a count that Modbus does not have."""
    if not 0 <= address <= 65536 - count:
        raise ValueError(f"{count} values do not fit at address {address}")
    payload_bytes = -(-count // 8) if table.is_bits else 2 * count
    pdu = _pdu(READS[table](address=address, count=count))
    return Request(pdu, bytes([pdu[0], payload_bytes]), 2 + payload_bytes)


def write_request(table: Table, address: int, values: Sequence[int], many: bool) -> Request:
    """Function 5 or 6 for one value unless `many`, else 15 or 16; raises ValueError for what cannot be written."""
    _check_write(table, address, values)
    one, several = WRITES[table]
    content = {"bits": [bool(value) for value in values]} if table.is_bits else {"registers": list(values)}
    pdu = _pdu((several if many or len(values) > 1 else one)(address=address, **content))
    return Request(pdu, pdu[:ECHO_BYTES], ECHO_BYTES)


def identify_request(object_id: int) -> Request:
    """Function 43/14: the basic identification objects from `object_id` on."""
    pdu = _pdu(ReadDeviceInformationRequest(object_id=object_id))
    return Request(pdu, pdu[:3], 0)


def identification(body: bytes) -> tuple[dict[int, str], int | None]:
    """The objects in a reply to identify_request, and the next object id to ask for if more follow.

    Raises ValueError if the reply is cut short, which pymodbus would take for a shorter text.
    """
    texts: dict[int, str] = {}
    rest = body[IDENTIFY_BYTES:]
    is_short = len(body) < IDENTIFY_BYTES
    while rest and not is_short:
        end = 2 + rest[1] if len(rest) > 1 else 2
        texts[rest[0]] = rest[2:end].decode("utf-8", "replace").strip("\0 ")
        is_short, rest = end > len(rest), rest[end:]
    if is_short:
        raise ValueError("the identification is cut short")
    return texts, body[5] if body[4] else None


def _check_write(table: Table, address: int, values: Sequence[int]) -> None:
    if table not in WRITES:
        raise ValueError(f"table {table.value} cannot be written")
    most, highest = (MOST_BITS_WRITTEN, 1) if table.is_bits else (MOST_REGISTERS_WRITTEN, 0xFFFF)
    if not 1 <= len(values) <= most:
        raise ValueError(f"{len(values)} values cannot be written at once (1 to {most} can)")
    if not 0 <= address <= 65536 - len(values):
        raise ValueError(f"{len(values)} values do not fit at address {address}")
    if wrong := [value for value in values if not 0 <= value <= highest]:
        raise ValueError(f"{wrong[0]} cannot be written to table {table.value} (0 to {highest} can)")


def _pdu(request: ModbusPDU) -> bytes:
    return bytes([request.function_code]) + request.encode()
