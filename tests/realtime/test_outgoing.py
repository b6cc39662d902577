"""The send queue: what is begun is finished, the rest can be taken back."""

from realtime.frames import Frame, notice
from realtime.outgoing import Outgoing
from realtime.rings import Rings
from tests.realtime.station import reading


def data_frame(number: int) -> Frame:
    (envelope, _) = Rings(keep_events=1, keep_s=1).add(reading(number), now=0)
    return Frame([envelope.text()], [(envelope, 0)])


class Pipe:
    """Takes `room` bytes and no more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def write(self, data: memoryview) -> int:
        count = min(self.room, len(data))
        self.taken += data[:count]
        self.room -= count
        return count


def queue_of(*entries: tuple[bytes, Frame | None]) -> Outgoing:
    outgoing = Outgoing()
    for data, frame in entries:
        outgoing.put(memoryview(data), frame)
    return outgoing


def test_bytes_leave_in_order_whatever_the_socket_takes() -> None:
    outgoing, pipe = queue_of((b"one", None), (b"two", None), (b"three", None)), Pipe(0)
    for _ in range(11):
        pipe.room = 1
        assert outgoing.send(pipe.write) == 1
    assert pipe.taken == b"onetwothree"
    assert not outgoing and outgoing.size_bytes == 0


def test_frames_with_events_can_be_taken_back_until_they_are_begun() -> None:
    first, second, third = data_frame(1), data_frame(2), data_frame(3)
    outgoing = queue_of((b"first", first), (b"second", second), (b"ping", None), (b"third", third))
    outgoing.send(Pipe(2).write)
    assert outgoing.take_back() == [second, third]
    rest = Pipe(100)
    outgoing.send(rest.write)
    assert rest.taken == b"rstping"


def test_a_first_frame_is_never_taken_back() -> None:
    outgoing = queue_of((b"hello", Frame([notice("hello", {})])), (b"data", data_frame(1)))
    assert len(outgoing.take_back()) == 1
    assert outgoing.size_bytes == len(b"hello")


def test_before_a_close_frame_only_what_is_begun_is_kept() -> None:
    outgoing = queue_of((b"first", data_frame(1)), (b"second", data_frame(2)))
    outgoing.send(Pipe(1).write)
    outgoing.drop_unbegun()
    rest = Pipe(100)
    outgoing.send(rest.write)
    assert rest.taken == b"irst"
    outgoing.put(memoryview(b"unbegun"), None)
    outgoing.drop_unbegun()
    assert not outgoing
