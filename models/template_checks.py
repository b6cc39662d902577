"""What can't be in a device template as a whole although each of its points could be."""

import re
from collections.abc import Iterator, Mapping, Sequence

from models.encoding_checks import Impossible, own_bits
from models.template_head import GoldenFrame, ReadLimits, Variant
from models.template_point import KEY_PATTERN, TemplatePoint, misnamed

LONGEST_KEY = 64  # as Device.template

Points = Sequence[TemplatePoint]


def too_long(points: Points, limits: ReadLimits) -> Iterator[Impossible]:
    """A value, with its scale register, must fit in one request."""
    for index, point in enumerate(points):
        most = limits.max_bits if point.table.is_bits else limits.max_registers
        register = point.address if point.scale_register is None else point.scale_register
        length = max(point.end, register + 1) - min(point.address, register)
        if length > most:
            reason = f"{length} registers, but a request may ask for {most}"
            yield Impossible(reason, "points", index, "address")


def doubled(points: Points) -> Iterator[Impossible]:
    keys: set[str] = set()
    for index, point in enumerate(points):
        if point.key in keys:
            yield Impossible("the key is used twice", "points", index, "key")
        keys.add(point.key)


def overlapping(points: Points, limits: ReadLimits) -> Iterator[Impossible]:
    """Registers are shared by different bits and bytes of them only, or by a value that is read alone."""
    alone = frozenset(limits.read_alone)
    placed = sorted(enumerate(points), key=lambda one: (one[1].table, one[1].sunspec, one[1].address))
    for position, (index, point) in enumerate(placed):
        for other_index, other in placed[position + 1 :]:
            if (other.table, other.sunspec) != (point.table, point.sunspec) or other.address >= point.end:
                break
            if _share_bits(point, other) and alone.isdisjoint((point.address, other.address)):
                yield _overlap(points, *sorted((index, other_index)))


def _share_bits(point: TemplatePoint, other: TemplatePoint) -> bool:
    """Whether points that share a register share bits of it."""
    return point.table.is_bits or bool(own_bits(point.encoding) & own_bits(other.encoding))


def _overlap(points: Points, first_index: int, index: int) -> Impossible:
    first, point = points[first_index], points[index]
    reason = f"{point.data_type} at {point.address} overlaps {first.key}, {first.data_type} at {first.address}"
    return Impossible(reason, "points", index, "address")


def unknown_in_golden(points: Points, golden: Sequence[GoldenFrame]) -> Iterator[Impossible]:
    keys = {point.key for point in points}
    for index, frame in enumerate(golden):
        for key in sorted(set(frame.values) - keys):
            yield Impossible(f"there is no point {key!r}", "golden", index, "values", key)


def wrong_variants(points: Points, variants: Mapping[str, Variant], template_key: str) -> Iterator[Impossible]:
    known = {point.key: point for point in points}
    for name, variant in variants.items():
        if not name.replace("-", "").isalnum() or name.lower() != name:
            yield Impossible("a variant's name has small letters, digits and hyphens", "variants", name)
        if len(f"{template_key}/{name}") > LONGEST_KEY:
            yield Impossible(f"is too long: {LONGEST_KEY} characters together with the key", "variants", name)
        for key in sorted({*variant.absent, *variant.enabled, *variant.renamed} - known.keys()):
            yield Impossible(f"there is no point {key!r}", "variants", name)
        if known.keys() <= set(variant.absent):
            yield Impossible("no point is left", "variants", name)
        yield from _wrong_names(known, name, variant)


def _wrong_names(known: Mapping[str, TemplatePoint], name: str, variant: Variant) -> Iterator[Impossible]:
    for old, new in variant.renamed.items():
        if (new in known and new not in variant.absent) or list(variant.renamed.values()).count(new) > 1:
            yield Impossible(f"the key {new!r} is used twice", "variants", name, "renamed", old)
        if not re.fullmatch(KEY_PATTERN, new):
            yield Impossible(f"{new!r} is no key", "variants", name, "renamed", old)
        if old in known:
            for complaint in misnamed(known[old].model_copy(update={"key": new})):
                yield Impossible(f"as {new}: {complaint}", "variants", name, "renamed", old)
