"""What is known of a device model: where its values lie, how they are written and where that knowledge comes from."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from models.encoding_checks import BYTE_TYPES, Impossible, check, plain_order, value_bits, words_of_type
from models.gateways import Device
from models.template_checks import LONGEST_KEY, doubled, overlapping, too_long, unknown_in_golden, wrong_variants
from models.template_defaults import HEADS, POINT_FIELDS, spread
from models.template_file import BadTemplate, LineOf, explain, read_yaml
from models.template_head import FROZEN, GoldenFrame, IdentifyRule, ReadLimits, Sign, Variant
from models.template_point import LAST_ADDRESS, UNITS, TemplatePoint, Text

__all__ = [
    "BYTE_TYPES",
    "LAST_ADDRESS",
    "UNITS",
    "BadTemplate",
    "DeviceTemplate",
    "GoldenFrame",
    "IdentifyRule",
    "Impossible",
    "ReadLimits",
    "TemplatePoint",
    "UnknownTemplate",
    "Variant",
    "check",
    "load",
    "load_folder",
    "new_device",
    "plain_order",
    "template",
    "templates",
    "use_folder",
    "validated",
    "value_bits",
    "words_of_type",
]

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).with_name("templates")
COMMON_MODEL = 1  # every SunSpec chain has it: it tells no device from another


class UnknownTemplate(LookupError):
    """No template has that key; the message names those that are close, or says why the one of that key is unusable."""


class DeviceTemplate(BaseModel):
    """One device model: V = the maker's document was read, C = independent programs agree, U = unverified.

    A file may say once what holds for many points: `defaults` for all, `plausible` ranges by unit, `not_available`
    patterns by data type. What a point says itself goes before.
    """

    model_config = FROZEN

    key: str = Field(pattern="^[a-z0-9][a-z0-9-]*$", max_length=LONGEST_KEY)
    maker: Text
    model: Text
    status: Literal["V", "C", "U"]
    sources: tuple[Text, ...] = Field(min_length=1)
    note: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    sign: Sign = "import_positive"
    limits: ReadLimits = ReadLimits()
    identify: tuple[IdentifyRule, ...] = ()
    golden: tuple[GoldenFrame, ...] = ()
    variants: Mapping[str, Variant] = {}
    points: tuple[TemplatePoint, ...] = Field(min_length=1)

    @property
    def sunspec_models(self) -> frozenset[int]:
        """The SunSpec models of which one must be in a unit's chain; empty for a device with fixed addresses."""
        return frozenset(model for point in self.points for model in point.sunspec) - {COMMON_MODEL}

    @model_validator(mode="before")
    @classmethod
    def _spread_defaults(cls, document: Any) -> Any:
        return spread(document)

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        for complaint in (
            *too_long(self.points, self.limits),
            *doubled(self.points),
            *overlapping(self.points, self.limits),
            *unknown_in_golden(self.points, self.golden),
            *wrong_variants(self.points, self.variants, self.key),
        ):
            raise complaint
        return self

    def device(self, unit_id: int, name: str) -> Device:
        """A new Device of this model with its data points, not yet in a session."""
        points = [point.data_point() for point in self.points]
        return Device(unit_id=unit_id, template=self.key, name=name, data_points=points)

    def variant(self, name: str) -> "DeviceTemplate":
        """The sister model of that name, with the key `key/name`; raises UnknownTemplate."""
        if name not in self.variants:
            known = f"; it has {', '.join(self.variants)}" if self.variants else ""
            raise UnknownTemplate(f"device template {self.key!r} has no variant {name!r}{known}")
        variant = self.variants[name]
        points = tuple(_of_variant(point, variant) for point in self.points if point.key not in variant.absent)
        changed = {"key": f"{self.key}/{name}", "model": variant.model, "points": points, "golden": (), "variants": {}}
        return self.model_copy(update=changed)


FIELDS = {
    "": (*(name for name in DeviceTemplate.model_fields if name != "key"), *HEADS),
    "points": POINT_FIELDS,
    "limits": tuple(ReadLimits.model_fields),
    "identify": tuple(IdentifyRule.model_fields),
    "golden": tuple(GoldenFrame.model_fields),
    "variants": tuple(Variant.model_fields),
}


def _of_variant(point: TemplatePoint, variant: Variant) -> TemplatePoint:
    changed: dict[str, Any] = {"enabled": True} if point.key in variant.enabled else {}
    if point.key in variant.renamed:
        changed["key"] = variant.renamed[point.key]
    return point.model_copy(update=changed) if changed else point


def validated(document: Mapping[str, Any], key: str, file: str, line_of: LineOf) -> DeviceTemplate:
    """The template that a document describes; raises BadTemplate, which names the lines of `file`."""
    try:
        return DeviceTemplate.model_validate({**document, "key": key})
    except ValidationError as error:
        raise BadTemplate(explain(file, document, line_of, error, FIELDS)) from error


def load(path: Path) -> DeviceTemplate:
    """Read one template file, whose name is the template's key; raises BadTemplate."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadTemplate(f"{path.name}: can't be read: {error.strerror}") from error
    document, line_of = read_yaml(text, path.name)
    return validated(document, path.stem, path.name, line_of)


def load_folder(path: Path) -> dict[str, DeviceTemplate]:
    """All templates (*.yaml, *.yml) of a folder by key; raises BadTemplate with the complaints of all its files."""
    own = _read_folder(path)
    if own.complaints:
        raise BadTemplate("\n".join(own.complaints.values()))
    return own.templates


@dataclass(frozen=True)
class _Own:
    """What a folder of the user's holds: usable templates, and what is wrong with the others, by key."""

    templates: dict[str, DeviceTemplate] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)


_own = _Own()


def _read_folder(path: Path) -> _Own:
    own = _Own()
    if not path.is_dir():
        own.complaints[""] = f"{path}: there is no such folder of templates"
        return own
    for file in sorted((*path.glob("*.yaml"), *path.glob("*.yml"))):
        if file.stem in {**own.templates, **own.complaints}:
            own.complaints[file.stem] = f"{file.name}:1: there is a {file.stem}.yaml too; keep one of them"
            continue
        try:
            own.templates[file.stem] = load(file)
        except BadTemplate as error:
            own.complaints[file.stem] = str(error)
    return own


def use_folder(path: Path | None) -> None:
    """Take the user's own templates into use, once at the start; None: only ours.

    One with the key of ours replaces it. Raises BadTemplate with every complaint about the folder, after its good files
    were taken into use: a command ends there, a poller logs it and goes on. A key whose file is bad is unknown from
    then on, even if it is one of ours: the user meant another map, and reading by the wrong one stores wrong values.
    """
    global _own
    _own = _Own() if path is None else _read_folder(path)
    template.cache_clear()
    for key in sorted(_own.templates.keys() & set(_shipped_keys())):
        logger.info("device template %s: the one in %s replaces ours", key, path)
    if _own.complaints:
        raise BadTemplate("\n".join(_own.complaints.values()))


@cache
def _shipped_keys() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def _shipped(key: str) -> DeviceTemplate:
    return load(FOLDER / f"{key}.yaml")


def _keys() -> list[str]:
    return sorted({*_shipped_keys(), *_own.templates} - set(_own.complaints))


def templates() -> Mapping[str, DeviceTemplate]:
    """All templates by key, in alphabetical order: ours and the user's, without their variants."""
    return MappingProxyType({key: template(key) for key in _keys()})


@lru_cache(maxsize=1024)
def template(key: str) -> DeviceTemplate:
    """The template of a key, or of `key/variant`; raises UnknownTemplate, which names those with a similar one."""
    base, _, variant = key.partition("/")
    if base in _own.complaints:
        raise UnknownTemplate(f"device template {base!r} can't be used: {_own.complaints[base]}")
    if base in _own.templates:
        found = _own.templates[base]
    elif base in _shipped_keys():
        found = _shipped(base)
    else:
        close = get_close_matches(base, _keys(), n=3, cutoff=0.4) or _keys()
        raise UnknownTemplate(f"no device template {key!r}; there is {', '.join(close)}")
    return found.variant(variant) if variant else found


def new_device(key: str, unit_id: int, name: str) -> Device:
    """A new Device with the data points of a template, not yet in a session; raises UnknownTemplate."""
    return template(key).device(unit_id, name)
