"""What the field tools have in common: progress, failures and results, as lines for a person or as one JSON object."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic
from typing import Any, NoReturn, TypeVar

import click

from poller.field_reports import failure
from poller.modbus import ExceptionReply, PollError
from poller.question import BadQuestion

Result = TypeVar("Result")

PROGRESS_EVERY_S = 5.0


class Progress:
    """How far a long piece of work is, on standard error: in one line on a terminal, else now and then."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._shown_at = clock()
        self._is_terminal = sys.stderr.isatty()
        self._has_line = False

    def show(self, text: str) -> None:
        now = self._clock()
        if self._is_terminal:
            click.echo(f"\r\033[K{text}", nl=False, err=True)
            self._has_line = True
        elif now - self._shown_at >= PROGRESS_EVERY_S:
            click.echo(text, err=True)
            self._shown_at = now

    def end(self) -> None:
        """Leave the line free for what follows."""
        if self._has_line:
            click.echo("\r\033[K", nl=False, err=True)


def run(work: Coroutine[Any, Any, Result], as_json: bool) -> Result:
    """Do it; a gateway or device that does not play along ends the command with one line and exit code 1."""
    try:
        return asyncio.run(work)
    except PollError as error:
        fail(error, as_json)
    except KeyboardInterrupt:
        fail(None, as_json)


def run_to_end(work: Coroutine[Any, Any, None], progress: Progress, as_json: bool) -> bool:
    """Do it; whether it came to its end, or was interrupted by Ctrl-C."""
    try:
        asyncio.run(work)
    except PollError as error:
        progress.end()
        fail(error, as_json)
    except KeyboardInterrupt:
        return False
    finally:
        progress.end()
    return True


class FieldCommand(click.Command):
    """A command that answers a question which can't be asked like any failure: as an object when --json is given."""

    def make_context(self, info_name: str | None, args: list[str], *given: Any, **extra: Any) -> click.Context:
        as_json = "--json" in args
        try:
            return super().make_context(info_name, args, *given, **extra)
        except click.UsageError as error:
            _refuse(error.format_message(), as_json)
            raise

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except BadQuestion as error:
            _refuse(str(error), bool(context.params.get("as_json")))
            raise


def _refuse(words: str, as_json: bool) -> None:
    """End with exit code 2 and an object on the last line, if that is what was asked for."""
    if as_json:
        print_json({"error": words, "exception": None})
        raise click.exceptions.Exit(2)


def fail(error: PollError | None, as_json: bool) -> NoReturn:
    """End with what went wrong and what to try; no error means that Ctrl-C was pressed."""
    words = "interrupted before anything answered" if error is None else failure(error)
    code = error.code if isinstance(error, ExceptionReply) else None
    if as_json:
        print_json({"error": words, "exception": code})
    else:
        click.echo(f"Error: {words}", err=True)
    end(False)


def end(is_well: bool) -> NoReturn:
    click.get_current_context().exit(0 if is_well else 1)


def print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, allow_nan=False))


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
