"""Template files and what is wrong with them: YAML that knows its lines, complaints that name file, line and point."""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from models.encoding_checks import Impossible
from models.template_defaults import unknown_field

Place = tuple[str | int, ...]
LineOf = Callable[[Place], int]

# As many brackets opened one in the other would crash the parser in C at some depth; a template needs three.
_TOO_DEEP = re.compile(rb"(?:[\[{][^\[\]{}]*){100}")
_FASTEST: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C: 8 times faster


class BadTemplate(Exception):
    """A template can't be used; the message names file, line, point and reason, one complaint per line."""


class _Loader(_FASTEST):  # type: ignore[misc]  # one of two classes
    """Refuses a name that a mapping says twice: YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value in seen and name.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{name.value} is said twice", name.start_mark)
            seen.add(str(name.value))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def read_yaml(text: str | bytes, file: str) -> tuple[dict[str, Any], LineOf]:
    """A YAML document that is a mapping, and the lines of its places; raises BadTemplate."""
    if _TOO_DEEP.search(text.encode() if isinstance(text, str) else text):
        raise BadTemplate(f"{file}:1: not YAML: nested too deeply")
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            document = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise BadTemplate(_not_yaml(file, error)) from error
    if not isinstance(document, dict):
        raise BadTemplate(f"{file}:1: holds no template")
    return document, lambda place: _line(node, place)


def _not_yaml(file: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{file}:{mark.line + 1 if mark else 1}: not YAML: {problem}"


def _line(node: yaml.Node | None, place: Place) -> int:
    """The line, from 1 on, of the deepest part of a place that the file itself has."""
    line = 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((name, value) for name, value in node.value if name.value == str(step)), None)
            name, node = found or (None, None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            name = node = node.value[step]
        else:
            break
        if name is None:
            break
        line = name.start_mark.line + 1
    return line


def explain(
    file: str,
    document: Mapping[str, Any],
    line_of: LineOf,
    error: ValidationError,
    fields: Mapping[str, tuple[str, ...]],
) -> str:
    """Every complaint of pydantic as `file:line: point, field: reason`, in the order of the lines.

    fields: the names that may stand below each part of a template, "" for the template itself.
    """
    told = [_told(complaint, document, line_of, fields) for complaint in error.errors() if _is_cause(complaint)]
    return "\n".join(f"{file}:{line}: {text}" for line, text in sorted(told, key=lambda one: one[0]))


def _is_cause(complaint: ErrorDetails) -> bool:
    """Whether a complaint does not only follow from others: a list of which no item was good counts as empty."""
    is_emptied = complaint["type"] == "too_short" and len(complaint["input"]) > 0
    return complaint["type"] != "default_factory_not_called" and not is_emptied


def _told(
    complaint: ErrorDetails, document: Mapping[str, Any], line_of: LineOf, fields: Mapping[str, tuple[str, ...]]
) -> tuple[int, str]:
    place: Place = complaint["loc"]
    cause = complaint.get("ctx", {}).get("error")
    at_fault: Place = cause.place if isinstance(cause, Impossible) else ()
    words = [*_names(document, place or at_fault[:2]), _reason(complaint, fields)]
    return line_of(place + at_fault), ": ".join(words)


def _names(document: Mapping[str, Any], place: Place) -> Iterator[str]:
    """The words that lead to a place; a point goes by its key."""
    if place[:1] == ("points",) and len(place) > 1:
        yield _name_of_point(document.get("points"), int(place[1]))
        place = place[2:]
    yield from map(str, place)


def _name_of_point(points: Any, index: int) -> str:
    point = points[index] if isinstance(points, list) and index < len(points) else None
    return f"point {point['key']}" if isinstance(point, dict) and "key" in point else f"point number {index + 1}"


def _reason(complaint: ErrorDetails, fields: Mapping[str, tuple[str, ...]]) -> str:
    match complaint["type"]:
        case "extra_forbidden":
            *above, name = complaint["loc"]
            return unknown_field(str(name), fields.get(str(above[0]) if above else "", ()))
        case "enum" | "literal_error":
            return _none_of(str(complaint["input"]), complaint.get("ctx", {})["expected"])
        case "missing":
            return "is missing"
        case "string_pattern_mismatch":
            return f"{complaint['input']!r} is no key: small letters and digits, {_joiner(complaint)} between them"
        case "too_short":
            return "there is none; at least one is needed"
        case "string_too_short":
            return "is empty"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            return f"{complaint['input']} is out of range: {complaint['msg'].removeprefix('Input should be ')}"
    return complaint["msg"].removeprefix("Value error, ")


def _joiner(complaint: ErrorDetails) -> str:
    """What a key is joined with: a template's with hyphens, a point's with underscores."""
    return "hyphens" if "-]" in complaint.get("ctx", {})["pattern"] else "underscores"


def _none_of(said: str, expected: str) -> str:
    close = get_close_matches(said, expected.replace("'", "").replace(" or ", ", ").split(", "), n=1)
    return f"{said!r} is none of {expected}{f'; did you mean {close[0]}?' if close else ''}"
