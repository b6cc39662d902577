"""A reply is found in a stream however it is cut or glued, and only if it is Modbus TCP."""

import pytest

from poller.framing import FRAMER, NO_TRANSACTION


def frame(transaction_id: int, body: bytes, unit_id: int = 1) -> bytes:
    return transaction_id.to_bytes(2, "big") + b"\0\0" + (len(body) + 1).to_bytes(2, "big") + bytes([unit_id]) + body


BODY = bytes([3, 4, 0, 1, 0, 2])
OLD, CURRENT, NEXT = frame(6, bytes([3, 2, 9, 9])), frame(7, BODY), frame(8, bytes([0x83, 2]))
LONG = frame(6, bytes([3, 250, *range(250)]))


def received(pieces: list[bytes], transaction_id: int = 7) -> tuple[bytes | None, bytes]:
    """The body of the first reply to be found, and what is left over."""
    buffer = b""
    for index, piece in enumerate(pieces):
        buffer += piece
        used, reply = FRAMER.handleFrame(buffer, 1, transaction_id)
        buffer = buffer[used:]
        if reply is not None:
            return reply.body, buffer + b"".join(pieces[index + 1 :])
    return None, buffer


STREAMS = {
    "alone": (CURRENT, b""),
    "after an old one": (OLD + CURRENT, b""),
    "between two": (OLD + CURRENT + NEXT, NEXT),
}


@pytest.mark.parametrize(("stream", "rest"), STREAMS.values(), ids=STREAMS)
def test_a_reply_is_found_wherever_the_stream_is_cut(stream: bytes, rest: bytes) -> None:
    for cut in range(len(stream) + 1):
        assert received([stream[:cut], stream[cut:]]) == (BODY, rest)
    assert received([stream[at : at + 1] for at in range(len(stream))]) == (BODY, rest)


def test_more_than_one_longest_frame_is_no_reason_to_drop_the_current_one() -> None:
    assert received([LONG + LONG + CURRENT]) == (BODY, b"")


def test_the_unit_and_the_transaction_come_with_the_reply() -> None:
    _, reply = FRAMER.handleFrame(frame(7, BODY, unit_id=9), 1, 7)
    assert reply is not None and (reply.dev_id, reply.transaction_id) == (9, 7)


def test_what_was_not_asked_for_is_skipped() -> None:
    assert received([OLD + CURRENT + NEXT[:5]], NO_TRANSACTION) == (None, NEXT[:5])


@pytest.mark.parametrize("cut", range(len(CURRENT)))
def test_the_beginning_of_a_reply_is_kept_for_its_end(cut: int) -> None:
    assert received([CURRENT[:cut]]) == (None, CURRENT[:cut])


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\0\7\0\1\0\6\1\3\2\0\1", id="another protocol"),
        pytest.param(b"\0\7\0\0\1\0\1\3\2", id="longer than any frame"),
        pytest.param(b"\0\7\0\0\0\0\1\3", id="no unit"),
        pytest.param(b"\0\7\0\0\0\1\1\3", id="no function"),
        pytest.param(OLD + b"\r\nlogin: ", id="text after a frame"),
    ],
)
def test_what_is_no_modbus_tcp_is_an_empty_reply(stream: bytes) -> None:
    assert received([stream]) == (b"", b"")
