"""Turn the 16-bit words of Modbus into values and back: `decode` and `encode` undo each other."""

import struct
from collections.abc import Sequence

from models.gateways import Encoding
from poller.block_decoder import BlockDecoder, compile_block
from poller.codec import BadPayload, Value, codec_of, is_coil

__all__ = ["BadPayload", "BlockDecoder", "Value", "compile_block", "decode", "encode"]


def decode(words: Sequence[int], encoding: Encoding) -> Value | None:
    """Turn raw words into a value in the point's unit: raw * scale + offset.

    words: as read, lowest address first; bits of a coil table are 0 or 1.
    Returns None for the device's "not available" patterns, NaN and infinities; never 0 in their place.
    Whole numbers stay int unless scale or offset has decimals; then the result is the float nearest to the exact one.
    Text ends at its first NUL; trailing spaces are dropped, bytes that are not UTF-8 are shown as U+FFFD.
    Raises BadPayload if the words don't fit, ValueError if the encoding can't be.
    Source: Modbus Application Protocol 1.1b3, section 4.2 (bytes); the order of words is the maker's.
    """
    codec = codec_of(encoding)
    return codec.value(codec.field(_as_bytes(words, encoding)))


def encode(value: Value | None, encoding: Encoding) -> list[int]:
    """Turn a value into the words that decode to it, or to the value nearest to it that they can hold.

    None becomes the first "not available" pattern, else NaN. What a register holds beside a bit or a byte is 0 here,
    so that the words of several such values can be joined with `|`.
    Raises ValueError if the words can't hold the value, or if they would read as "not available".
    """
    codec = codec_of(encoding)
    raw = codec.no_value() if value is None else codec.raw(value)
    if value is not None and codec.lacks_value(codec.layout.unpack(raw)[0]):
        raise ValueError(f"{value!r} would read as not available")
    return list(struct.unpack(f">{encoding.word_count}H", codec.ordered(raw)))


def _as_bytes(words: Sequence[int], encoding: Encoding) -> bytes:
    if len(words) != encoding.word_count:
        raise BadPayload(f"{encoding.data_type} takes {encoding.word_count} word(s), the reply has {len(words)}")
    if is_coil(encoding) and words[0] not in (0, 1):
        raise BadPayload(f"a coil is 0 or 1, not {words[0]}")
    try:
        return struct.pack(f">{len(words)}H", *words)
    except struct.error as error:
        raise BadPayload(f"{list(words)} are not all 16-bit words") from error
