"""What a template file says once for many of its points, spread over them."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from models.encoding_checks import Impossible, plain_order
from models.gateways import DataType, WordOrder
from models.template_point import TemplatePoint

Head = Mapping[str, Any]

HEADS = ("defaults", "plausible", "not_available")
POINT_FIELDS = (*TemplatePoint.model_fields, "plausible")


def spread(document: Any) -> Any:
    """The document with `defaults`, `plausible` ranges by unit and `not_available` patterns by type in its points."""
    if not isinstance(document, dict) or not isinstance(document.get("points"), list):
        return document
    heads = {name: document.get(name, {}) for name in HEADS}
    for name, head in heads.items():
        if not isinstance(head, dict):
            raise Impossible("is a mapping like {name: value}", name)
    for name in heads["defaults"]:
        if name not in POINT_FIELDS:
            raise Impossible(unknown_field(str(name), POINT_FIELDS), "defaults", name)
    rest = {name: value for name, value in document.items() if name not in heads}
    return {**rest, "points": [_with_heads(point, **heads) for point in document["points"]]}


def unknown_field(name: str, known: tuple[str, ...]) -> str:
    """What to tell about a name that is none of the known ones."""
    close = get_close_matches(name, known, n=1)
    return f"unknown field; did you mean {close[0]}?" if close else f"unknown field; there is {', '.join(known)}"


def _with_heads(point: Any, defaults: Head, plausible: Head, not_available: Head) -> Any:
    """A default word order is for the values it fits: a 16-bit value among 32-bit ones keeps its plain order."""
    if not isinstance(point, dict):
        return point
    whole = {**defaults, **point}
    order, data_type, unit = whole.get("word_order"), whole.get("data_type"), whole.get("unit")
    if "word_order" not in point and order in list(WordOrder) and data_type in list(DataType):
        fitting = plain_order(DataType(data_type))
        whole["word_order"] = order if len(order) == len(fitting) else fitting
    for name, value in (("plausible", plausible.get(str(unit))), ("not_available", not_available.get(str(data_type)))):
        if value is not None:
            whole.setdefault(name, value)
    return whole
