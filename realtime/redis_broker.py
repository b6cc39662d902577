"""The shared log in Redis: a stream of what was published, and how far each channel has been counted."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from realtime.outlet import Callback
from realtime.shared_broker import SharedBroker
from realtime.shared_log import KEPT_EVENTS, Draft, Entry, LogAway, LogChanged, Look, Place, Start

HEAD, OFFSETS, STREAM, NODE = "{monitor}:head", "{monitor}:offsets", "{monitor}:events", "{monitor}:node:"
CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 2.0
NODE_KEPT_S = 86_400
ENTRIES_AT_ONCE = 100

# All or nothing of a draft, and once: the node's key says which of its drafts are there. An entry's id is the number of
# events so far, so that the stream is trimmed by events, however many an entry has. A node whose earlier drafts are
# missing under the epoch it knows tells us that Redis came back older than it was.
APPEND = """
local head, offsets, stream, node = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, sequence, known_epoch, new_epoch = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local weight, lost, first, body, kept, node_kept_s = ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local function text(number) return string.format('%.0f', number) end

local epoch = redis.call('HGET', head, 'epoch')
local done = tonumber(redis.call('GET', node) or '0')
if epoch and sequence <= done then return epoch end
if not epoch or (epoch == known_epoch and sequence > done + 1) then
    redis.call('DEL', offsets, stream)
    redis.call('HSET', head, 'epoch', new_epoch)
    epoch = new_epoch
end

local channels, before = {}, {}
if lost > 0 then
    channels = redis.call('HKEYS', offsets)
    for place, channel in ipairs(channels) do
        before[place] = text(redis.call('HINCRBY', offsets, channel, text(lost + 1)) - lost - 1)
    end
else
    for argument = 11, #ARGV, 2 do
        table.insert(channels, ARGV[argument])
        local after = redis.call('HINCRBY', offsets, ARGV[argument], ARGV[argument + 1])
        table.insert(before, text(after - tonumber(ARGV[argument + 1])))
    end
end

local id = redis.call('HINCRBY', head, 'events', weight)
local chain = redis.sha1hex((redis.call('HGET', head, 'chain') or '') .. name .. text(sequence))
redis.call('HSET', head, 'chain', chain)
local now = redis.call('TIME')
local oldest = math.max(id - tonumber(kept), 0)
redis.call('XADD', stream, 'MINID', '~', text(oldest), text(id) .. '-0',
    'at', now[1] .. string.format('%03d', math.floor(tonumber(now[2]) / 1000)), 'epoch', epoch, 'node', name,
    'sequence', text(sequence), 'first', first, 'weight', weight, 'lost', text(lost),
    'channels', table.concat(channels, '\\n'), 'offsets', table.concat(before, ','), 'body', body,
    'chain', chain)
redis.call('SET', node, text(sequence), 'EX', node_kept_s)
return epoch
"""

BEGIN_ANEW = """
if (redis.call('HGET', KEYS[1], 'epoch') or '') == ARGV[1] then
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HSET', KEYS[1], 'epoch', ARGV[2])
end
"""

RawEntry = tuple[bytes, Mapping[bytes, bytes]]


class RedisLog:
    """Two connections, one for each thread. Raises ValueError for a URL that can't be meant."""

    def __init__(self, url: str, kept_events: int = KEPT_EVENTS) -> None:
        self.name = shown(url)
        self._kept_events = kept_events
        self._publishing = _connect(url, ANSWER_TIMEOUT_S)
        self._reading = _connect(url, ANSWER_TIMEOUT_S)
        self._append = self._publishing.register_script(APPEND)
        self._begin_anew = self._reading.register_script(BEGIN_ANEW)
        self._reader_id: int | None = None
        self._node = ""

    def append(self, draft: Draft, known_epoch: str) -> str:
        arguments: list[str | int | bytes] = [draft.node, draft.sequence, known_epoch, _new_epoch()]
        arguments += [draft.weight, draft.lost, draft.first, draft.body(), self._kept_events, NODE_KEPT_S]
        for channel, count in draft.counts().items():
            arguments += [_bytes(channel), count]
        self._node = draft.node
        with _explained():
            epoch = self._append([HEAD, OFFSETS, STREAM, NODE + draft.node], arguments)
        return str(epoch, "ascii")

    def ping(self) -> None:
        """Says besides that we are still here: how far a node has written is not kept for ever."""
        with _explained():
            self._publishing.expire(NODE + self._node, NODE_KEPT_S)

    def look(self, place_id: int) -> Look:
        with _explained():
            self._reader_id = self._reading.client_id()
            self._begin_anew([HEAD, OFFSETS, STREAM], ["", _new_epoch()])
            with self._reading.pipeline() as pipeline:
                pipeline.hmget(HEAD, "epoch", "events")
                pipeline.xrange(STREAM, count=1)
                pipeline.xrange(STREAM, f"{place_id}-0", f"{place_id}-0")
                pipeline.time()
                (epoch, count), first, there, now = pipeline.execute()
        if epoch is None:
            raise LogChanged
        chain = _entry(there[0]).chain if there else None
        return Look(epoch.decode(), _id_of(first[0]) if first else 0, int(count or 0), chain, _ms_of(now))

    def start(self) -> Start:
        with _explained(), self._reading.pipeline() as pipeline:
            pipeline.hmget(HEAD, "epoch", "events", "chain")
            pipeline.hgetall(OFFSETS)
            pipeline.xrange(STREAM)
            pipeline.time()
            (epoch, count, chain), offsets, entries, now = pipeline.execute()
        if epoch is None:
            raise LogChanged  # it was emptied since it was looked at
        positions = {_text(channel): int(offset) for channel, offset in offsets.items()}
        last = int(count or 0), (chain or b"").decode()
        return Start(epoch.decode(), *last, positions, list(map(_entry, entries)), _ms_of(now))

    def begin_anew(self, epoch: str) -> None:
        with _explained():
            self._begin_anew([HEAD, OFFSETS, STREAM], [epoch, _new_epoch()])

    def read(self, place: Place, wait_s: float) -> Sequence[Entry]:
        with _explained():
            streams = cast(
                "list[tuple[bytes, list[RawEntry]]]",
                self._reading.xread({STREAM: f"{place.id}-0"}, count=ENTRIES_AT_ONCE, block=round(wait_s * 1000)),
            )
            if streams:
                return list(map(_entry, streams[0][1]))
            epoch, count = cast("list[bytes | None]", self._reading.hmget(HEAD, "epoch", "events"))
        if epoch is None or epoch.decode() != place.epoch or int(count or 0) < place.id:
            raise LogChanged
        return []

    def wake(self) -> None:
        if self._reader_id is not None:
            with _explained():
                self._publishing.client_unblock(self._reader_id)

    def close(self) -> None:
        self._publishing.close()
        self._reading.close()


def open_redis(url: str, *, keep_s: float, capacity: int, meanwhile: Callback | None = None) -> SharedBroker:
    """Several processes joined by a Redis server; raises ValueError for a URL that can't be meant."""
    return SharedBroker(RedisLog(url), keep_s=keep_s, capacity=capacity, meanwhile=meanwhile)


def shown(url: str) -> str:
    """A URL as people may see it: without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _connect(url: str, timeout_s: float) -> "redis.Redis":
    """Nothing is sent again by the client itself: what to do after a failure is decided by whoever asked."""
    return redis.Redis.from_url(
        url,
        protocol=2,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=False,
    )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise LogAway(str(error).strip() or type(error).__name__) from error


def _entry(raw: RawEntry) -> Entry:
    fields = raw[1]
    names, offsets = _text(fields[b"channels"]), fields[b"offsets"].decode()
    return Entry(
        id=_id_of(raw),
        at_ms=int(fields[b"at"]),
        epoch=fields[b"epoch"].decode(),
        node=fields[b"node"].decode(),
        sequence=int(fields[b"sequence"]),
        first=int(fields[b"first"]),
        weight=int(fields[b"weight"]),
        lost=int(fields[b"lost"]),
        channels=names.split("\n") if names else [],
        offsets=list(map(int, offsets.split(","))) if offsets else [],
        body=fields[b"body"],
        chain=fields[b"chain"].decode(),
    )


def _id_of(raw: RawEntry) -> int:
    return int(raw[0].partition(b"-")[0])


def _ms_of(now: tuple[int, int]) -> int:
    return now[0] * 1000 + now[1] // 1000


def _bytes(name: str) -> bytes:
    """A lone surrogate in a channel's name has no UTF-8; it must not stop the others."""
    return name.encode("utf-8", "surrogatepass")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogatepass")


def _new_epoch() -> str:
    return secrets.token_urlsafe(9)
