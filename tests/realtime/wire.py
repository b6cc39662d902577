"""Bytes as a client may send them: WebSocket frames, right or wrong, and what permessage-deflate makes of a text."""

import struct
import zlib

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
RSV1, RSV2, RSV3 = 4, 2, 1
MASK = b"\x01\x02\x03\x04"
TAIL = b"\x00\x00\xff\xff"  # a sender leaves it off (RFC 7692, 7.2.1)


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length_bytes: int | None = None,
) -> bytes:
    """One frame. length_bytes: of the length field, 1, 3 or 9; None: the shortest, as the protocol demands."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    head += _length(len(payload), length_bytes, 0x80 if masked else 0)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[position % 4] for position, byte in enumerate(payload))


def _length(length: int, length_bytes: int | None, mask_flag: int) -> bytes:
    if length_bytes is None:
        length_bytes = 1 if length < 126 else 3 if length < 65536 else 9
    if length_bytes == 1:
        return bytes([mask_flag | length])
    if length_bytes == 3:
        return bytes([mask_flag | 126]) + struct.pack("!H", length)
    return bytes([mask_flag | 127]) + struct.pack("!Q", length)


def close(code: int, reason: bytes = b"") -> bytes:
    """The payload of a close frame."""
    return struct.pack("!H", code) + reason


def deflated(data: bytes) -> bytes:
    """The payload of a compressed message."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def deflated_and_ended(data: bytes) -> bytes:
    """The same with the end of the deflate stream marked in it (RFC 7692, 7.2.3.4)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_FINISH)


def referring_back(data: bytes) -> bytes:
    """A compressed message that counts on the receiver's memory of `data`, sent in an earlier one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packer.compress(data)
    packer.flush(zlib.Z_SYNC_FLUSH)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)
