"""RFC 6455 and RFC 7692 as a table: what a client may send and what becomes of it."""

from typing import NamedTuple

from tests.realtime.conftest import LIMITS
from tests.realtime.wire import (
    BINARY,
    CLOSE,
    CONTINUED,
    MASK,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    close,
    deflated,
    deflated_and_ended,
    frame,
    referring_back,
)

ASK = b'{"event": "ping"}'  # what a page says and is answered
EURO = "€".encode()
LONGEST = LIMITS.max_message_bytes


class Case(NamedTuple):
    """What a client sends, and the close code that it gets; None: it stays, and is understood afterwards."""

    section: str
    name: str
    data: bytes
    code: int | None
    deflate: bool = False

    @property
    def says_ask(self) -> bool:
        """Whether it says ASK, in fragments or compressed."""
        is_by_detours = self.section in ("5.4 fragments", "RFC 7692")
        return is_by_detours and self.code is None and self.name not in ("nothing", "as long as may be")


def text(*parts: bytes) -> bytes:
    """A text message in fragments."""
    last = len(parts) - 1
    return b"".join(
        frame(TEXT if position == 0 else CONTINUED, part, final=position == last) for position, part in enumerate(parts)
    )


def squeezed(*parts: bytes, between: bytes = b"") -> bytes:
    """A compressed text message in fragments, with something between them."""
    last = len(parts) - 1
    return between.join(
        frame(TEXT if number == 0 else CONTINUED, part, final=number == last, reserved=0 if number else RSV1)
        for number, part in enumerate(parts)
    )


def halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


BOMB = deflated(b"\0" * 3_000_000)
BEGUN, ENDED = frame(TEXT, ASK[:7], final=False), frame(CONTINUED, ASK[7:])

CASES = [
    Case("5.1 masks", "a text without a mask", frame(TEXT, b"hi", masked=False), 1002),
    Case("5.1 masks", "a ping without a mask", frame(PING, masked=False), 1002),
    Case("5.1 masks", "a close without a mask", frame(CLOSE, close(1000), masked=False), 1002),
    Case("5.1 masks", "a mask of zeros", b"\x81" + bytes([0x80 | len(ASK)]) + b"\0\0\0\0" + ASK, None),
    *(
        Case("5.2 reserved bits", f"bit {bit} on opcode {opcode}", frame(opcode, b"hi", reserved=bit), 1002)
        for bit in (RSV1, RSV2, RSV3)
        for opcode in (TEXT, BINARY, PING)
    ),
    Case("5.2 reserved bits", "bit 2 beside compression", frame(TEXT, b"hi", reserved=RSV2), 1002, deflate=True),
    Case("5.2 reserved bits", "a compressed ping", frame(PING, b"hi", reserved=RSV1), 1002, deflate=True),
    Case("5.2 reserved bits", "a compressed close", frame(CLOSE, close(1000), reserved=RSV1), 1002, deflate=True),
    Case(
        "5.2 reserved bits",
        "a continuation that says it is compressed",
        frame(TEXT, deflated(ASK)[:4], final=False, reserved=RSV1) + frame(CONTINUED, deflated(ASK)[4:], reserved=RSV1),
        1002,
        deflate=True,
    ),
    *(Case("5.2 opcodes", f"opcode {code}", frame(code, b"hi"), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    Case("5.2 lengths", "2^63", b"\x81\xff" + (2**63).to_bytes(8, "big") + MASK, 1002),
    Case("5.2 lengths", "2^64 - 1", b"\x82\xff" + (2**64 - 1).to_bytes(8, "big") + MASK, 1002),
    Case("5.2 lengths", "2^63 - 1", b"\x81\xff" + (2**63 - 1).to_bytes(8, "big") + MASK + b"x" * 5000, 1009),
    Case("5.2 lengths", "a short one in 3 bytes", frame(TEXT, b"hi", length_bytes=3), 1002),
    Case("5.2 lengths", "a short one in 9 bytes", frame(TEXT, b"x" * 300, length_bytes=9), 1002),
    Case("5.2 lengths", "as long as may be", frame(TEXT, b"x" * LONGEST), None),
    Case("5.2 lengths", "one byte more", frame(TEXT, b"x" * (LONGEST + 1)), 1009),
    Case("5.2 lengths", "too long in bytes, not in characters", frame(TEXT, EURO * (LONGEST // 3 + 1)), 1009),
    Case("5.2 lengths", "too long, binary", frame(BINARY, b"x" * (LONGEST + 1)), 1009),
    Case("5.2 lengths", "too long in fragments", text(*[b"x" * 1000] * 5), 1009),
    Case("5.2 lengths", "nothing", frame(TEXT), None),
    Case("5.4 fragments", "two", text(*halves(ASK)), None),
    Case("5.4 fragments", "a byte each", text(*(bytes([byte]) for byte in ASK)), None),
    Case("5.4 fragments", "empty ones between", text(b"", ASK[:5], b"", ASK[5:], b""), None),
    Case("5.4 fragments", "control frames between", BEGUN + frame(PING, b"1") + frame(PONG) + ENDED, None),
    Case("5.4 fragments", "a close between", BEGUN + frame(CLOSE, close(1001)), 1001),
    Case("5.4 fragments", "a continuation of nothing", frame(CONTINUED, b"hi"), 1002),
    Case("5.4 fragments", "a continuation of nothing, unfinished", frame(CONTINUED, b"hi", final=False), 1002),
    Case("5.4 fragments", "a continuation after the end", text(b"a", b"b") + frame(CONTINUED, b"c"), 1002),
    Case("5.4 fragments", "a text inside a text", BEGUN + frame(TEXT, b"y"), 1002),
    Case("5.4 fragments", "a binary inside a text", BEGUN + frame(BINARY, b"y"), 1002),
    Case("5.5 control frames", "126 bytes of ping", frame(PING, b"x" * 126), 1002),
    Case("5.5 control frames", "126 bytes of pong", frame(PONG, b"x" * 126), 1002),
    Case("5.5 control frames", "126 bytes of close", frame(CLOSE, close(1000, b"x" * 124)), 1002),
    Case("5.5 control frames", "a ping of 70,000 bytes", frame(PING, b"x" * 70_000), 1002),
    Case("5.5 control frames", "a ping in fragments", frame(PING, b"x", final=False), 1002),
    Case("5.5 control frames", "a close in fragments", frame(CLOSE, close(1000), final=False), 1002),
    Case("5.5 control frames", "125 bytes of ping", frame(PING, b"x" * 125), None),
    Case("5.5 control frames", "a pong nobody asked for", frame(PONG, b"here I am"), None),
    Case("5.6 kinds", "binary", frame(BINARY, b"\x00\xff"), None),
    Case("7.4 close codes", "none", frame(CLOSE), 1005),
    Case("7.4 close codes", "half of one", frame(CLOSE, b"\x03"), 1002),
    *(
        Case("7.4 close codes", f"{code}, not for the wire", frame(CLOSE, close(code)), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
    *(
        Case("7.4 close codes", f"{code}", frame(CLOSE, close(code)), code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    ),
    Case("7.4 close codes", "a reason of 123 bytes", frame(CLOSE, close(1000, EURO * 41)), 1000),
    Case("7.4 close codes", "a reason that is no UTF-8", frame(CLOSE, close(1000, b"\xff")), 1007),
    Case("7.4 close codes", "talk after the close", frame(CLOSE, close(1000)) + frame(TEXT, ASK), 1000),
    Case("8.1 UTF-8", "a character over two fragments", text(b'["' + EURO[:1], EURO[1:] + b'"]'), None),
    Case(
        "8.1 UTF-8",
        "a character over three fragments, pings between",
        b"".join(
            [
                frame(TEXT, EURO[:1], final=False),
                frame(PING),
                frame(CONTINUED, EURO[1:2], final=False),
                frame(PING),
                frame(CONTINUED, EURO[2:]),
            ]
        ),
        None,
    ),
    Case("8.1 UTF-8", "the last code point", frame(TEXT, "\U0010ffff".encode()), None),
    Case("8.1 UTF-8", "beyond the last code point", frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    Case("8.1 UTF-8", "no character at all", frame(TEXT, b"\xff"), 1007),
    Case("8.1 UTF-8", "too long a form", frame(TEXT, b"\xc0\xaf"), 1007),
    Case("8.1 UTF-8", "half a surrogate pair", frame(TEXT, b"\xed\xa0\x80"), 1007),
    Case("8.1 UTF-8", "half a character at the end", frame(TEXT, EURO[:2]), 1007),
    Case("8.1 UTF-8", "half a character at the end of fragments", text(b"a", EURO[:2]), 1007),
    Case("8.1 UTF-8", "wrong in the second fragment", text(EURO, b"\xff"), 1007),
    Case("8.1 UTF-8", "wrong before the end", frame(TEXT, b"\xff", final=False), 1007),
    Case("8.1 UTF-8", "wrong across fragments", text(EURO[:1], b"a"), 1007),
    Case("RFC 7692", "a message", squeezed(deflated(ASK)), None, deflate=True),
    Case("RFC 7692", "a message that is not", frame(TEXT, ASK), None, deflate=True),
    Case("RFC 7692", "compressed without agreement", squeezed(deflated(ASK)), 1002),
    Case("RFC 7692", "in fragments", squeezed(*halves(deflated(ASK))), None, deflate=True),
    Case("RFC 7692", "a ping between fragments", squeezed(*halves(deflated(ASK)), between=frame(PING)), None, True),
    Case("RFC 7692", "a pong between", squeezed(*halves(deflated(ASK)), between=frame(PONG, b"x")), None, True),
    Case(
        "RFC 7692",
        "a ping between plain fragments",
        b"".join([frame(TEXT, ASK[:4], final=False), frame(PING), frame(CONTINUED, ASK[4:]), squeezed(deflated(ASK))]),
        None,
        True,
    ),
    Case("RFC 7692", "one after another", squeezed(deflated(ASK)) * 3, None, deflate=True),
    Case("RFC 7692", "nothing", squeezed(b"\x00"), None, deflate=True),
    Case("RFC 7692", "an ended stream", squeezed(deflated_and_ended(ASK) + b"\0"), None, deflate=True),
    Case("RFC 7692", "two streams", squeezed(deflated_and_ended(ASK[:9]) + deflated(ASK[9:])), None, deflate=True),
    Case("RFC 7692", "rubbish after an ended stream", squeezed(deflated_and_ended(b"a") + b"\xff" * 100), 1007, True),
    Case("RFC 7692", "ended streams without end", squeezed(deflated_and_ended(b"") * 3000), 1009, deflate=True),
    Case("RFC 7692", "no deflate at all", squeezed(b"\xff" * 20), 1007, deflate=True),
    Case("RFC 7692", "no UTF-8 inside", squeezed(deflated(b"\xff")), 1007, deflate=True),
    Case(
        "RFC 7692",
        "memory of an earlier message",
        squeezed(deflated(ASK * 9)) + squeezed(referring_back(ASK * 9)),
        1007,
        deflate=True,
    ),
    Case("RFC 7692", "as long as may be", squeezed(deflated(b"x" * LONGEST)), None, deflate=True),
    Case("RFC 7692", "one byte more", squeezed(deflated(b"x" * (LONGEST + 1))), 1009, deflate=True),
    Case("RFC 7692", "a bomb", squeezed(BOMB), 1009, deflate=True),
    Case("RFC 7692", "a bomb in fragments", squeezed(*halves(BOMB), between=frame(PING)), 1009, deflate=True),
    Case("RFC 7692", "a binary bomb", frame(BINARY, BOMB, reserved=RSV1), 1009, deflate=True),
    Case("1.3 no frames", "a request", b"GET / HTTP/1.1\r\nHost: plant\r\n\r\n", 1002),
    Case("1.3 no frames", "a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1002),
]
