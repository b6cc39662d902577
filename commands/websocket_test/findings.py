"""What a step found: in order, doubtful or broken, what was measured, and what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPException
from textwrap import wrap
from typing import Generic, TypeVar

from websockets.exceptions import WebSocketException

T = TypeVar("T")
WIDTH = 110


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the table. advice: "" where there is none to give."""

    step: str
    verdict: Verdict
    measured: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Passed(Generic[T]):
    """A step that went well, or with a doubt: then `advice` says what to do. value: what later steps need."""

    measured: str
    value: T
    advice: str = ""


class Broken(Exception):
    """A step that went wrong: what was measured, and in `advice` what to do."""

    def __init__(self, measured: str, advice: str) -> None:
        super().__init__(measured)
        self.advice = advice


@dataclass
class Findings:
    """The rows so far, each handed on as soon as it is known."""

    tell: Callable[[Finding], None]
    rows: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return all(row.verdict is not Verdict.FAIL for row in self.rows)

    def take(self, step: str, check: Callable[[], Passed[T]]) -> T | None:
        """Do one step and note what it found; None when it is broken."""
        try:
            passed = check()
        except Broken as broken:
            self._note(Finding(step, Verdict.FAIL, str(broken), broken.advice))
        except (OSError, HTTPException, WebSocketException) as error:
            self._note(Finding(step, Verdict.FAIL, *_unforeseen(error)))
        else:
            verdict = Verdict.WARN if passed.advice else Verdict.OK
            self._note(Finding(step, verdict, passed.measured, passed.advice))
            return passed.value
        return None

    def holds(self, step: str, check: Callable[[], Passed[None]]) -> bool:
        """Do one step of which only matters whether it went well."""
        self.take(step, check)
        return self.rows[-1].verdict is not Verdict.FAIL

    def _note(self, finding: Finding) -> None:
        self.rows.append(finding)
        self.tell(finding)


def _unforeseen(error: Exception) -> tuple[str, str]:
    what = str(error) or type(error).__name__
    return f"the connection failed ({what})", "see the logs of the proxy and of the program for this time"


def lines_of(finding: Finding) -> Iterator[str]:
    """A finding as a person reads it: a line, and the advice below."""
    yield f"  {finding.verdict:<5} {finding.step:<12} {finding.measured}"
    yield from wrap(finding.advice, WIDTH, initial_indent=f"{'':<21}-> ", subsequent_indent=f"{'':<24}")
