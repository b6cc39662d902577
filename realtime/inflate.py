"""What clients compress (RFC 7692), taken apart within bounds: a bomb costs no more memory than its limit."""

import zlib

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

from realtime.frames import DEFLATE_TERMS

END_OF_MESSAGE = b"\x00\x00\xff\xff"  # left off by the sender (RFC 7692, 7.2.1)
FRAMING_BYTES = 64  # what cannot be compressed grows, by far less than this

COMPRESSED = RsvBits(True, False, False)


class Inflate(PerMessageDeflate):
    """Like wsproto's for what we send; of what comes, it keeps a message apart from the control frames inside it.

    max_bytes: of one message, compressed as well as inflated; a longer one is answered with 1009.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.finalize(DEFLATE_TERMS)
        self._max_bytes = max_bytes
        self._inflating: zlib._Decompress | None = None  # None: outside a compressed message
        self._taken_bytes = self._given_bytes = 0
        self._is_control = False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """Only the first frame of a message says whether it is compressed; called twice for a split header."""
        self._is_control = opcode.iscontrol()
        if rsv.rsv1 and (self._is_control or opcode is Opcode.CONTINUATION):
            return CloseReason.PROTOCOL_ERROR
        if rsv.rsv1:
            self._inflating = zlib.decompressobj(-zlib.MAX_WBITS)
            self._taken_bytes = self._given_bytes = 0
        return COMPRESSED

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        if self._inflating is None or self._is_control:
            return data
        self._taken_bytes += len(data)
        if self._taken_bytes > self._max_bytes + FRAMING_BYTES:
            return CloseReason.MESSAGE_TOO_BIG
        return self._inflate(data)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        if self._inflating is None or self._is_control or not fin:
            return None
        rest = self._inflate(END_OF_MESSAGE)
        self._inflating = None
        return rest

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        """A sender may end a deflate stream inside a message and go on with another (RFC 7692, 7.2.3.5)."""
        inflated = bytearray()
        while data and self._inflating is not None:
            try:
                inflated += self._inflating.decompress(data, self._max_bytes + 1 - self._given_bytes - len(inflated))
            except zlib.error:
                return CloseReason.INVALID_FRAME_PAYLOAD_DATA
            if self._given_bytes + len(inflated) > self._max_bytes:
                return CloseReason.MESSAGE_TOO_BIG
            data = self._inflating.unused_data
            if self._inflating.eof:
                self._inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        self._given_bytes += len(inflated)
        return bytes(inflated)
