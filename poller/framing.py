"""Modbus TCP frames, cut out of the stream by pymodbus' framer and left as bytes."""

from struct import Struct

from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

HEADER = Struct(">HHHB")  # transaction, protocol, length of what follows it, unit
HEADER_BYTES = HEADER.size
LENGTH_END = 6
LONGEST_LENGTH = 254  # of unit and PDU. Source: Modbus Messaging on TCP/IP 1.0b, section 3.1.3
NO_TRANSACTION = -1


class RawReply(ModbusPDU):
    """A reply as it came: `body` is its PDU, function code first; empty if the stream is no Modbus TCP.

    Registers stay bytes for whoever knows their types: an object per register costs more than the request.
    """

    def __init__(self, body: bytes, dev_id: int, transaction_id: int) -> None:
        self.body = body
        self.dev_id = dev_id
        self.transaction_id = transaction_id


class StrictFramer(FramerSocket):
    """Finds the reply to one transaction in a stream, however the stream is cut or glued."""

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, RawReply | None]:
        """How many bytes are used up, and the first reply with this transaction id.

        Replies to other transactions are skipped; one from another unit is for the caller to refuse.
        """
        used, size = 0, len(data)
        if size > HEADER_BYTES:
            transaction_id, protocol, length, unit_id = HEADER.unpack_from(data)
            if transaction_id == exp_tid and protocol == 0 and LENGTH_END + length == size and length > 1:
                return size, RawReply(data[HEADER_BYTES:], unit_id, transaction_id)  # it alone, as nearly always
        while size - used > HEADER_BYTES:
            rest = data[used:] if used else data
            frame_bytes, unit_id, transaction_id, body = self.decode(rest)
            if not body:
                return (used, None) if _may_be_continued(rest) else (len(data), RawReply(b"", exp_devid, exp_tid))
            used += frame_bytes
            if transaction_id == exp_tid:
                return used, RawReply(body, unit_id, transaction_id)
        return used, None


def _may_be_continued(start: bytes) -> bool:
    """Whether the rest of this frame can still be under way."""
    return start[2:4] == b"\0\0" and 2 <= int.from_bytes(start[4:6], "big") <= LONGEST_LENGTH


FRAMER = StrictFramer(DecodePDU(is_server=False))  # has no state: one serves all connections
