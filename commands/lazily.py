"""The group of all commands: each is loaded when it is called for, and a foreseeable failure is one line."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click


class Commands(click.Group):
    """Commands by name, each in a place `module:attribute`; what one of them does not need is never loaded.

    Ends every foreseeable failure with one line that names it, and exit code 2.
    """

    def __init__(self, *arguments: Any, places: Mapping[str, str] = MappingProxyType({}), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._places = places

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*self._places, *super().list_commands(context)})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self._places:
            return super().get_command(context, name)
        module, _, attribute = self._places[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if not is_foreseen(error):
                raise
            raise click.UsageError(str(error)) from error


def is_foreseen(error: Exception) -> bool:
    """Whether it is no fault of the program; what can be foreseen is loaded only when something went wrong."""
    from commands.failures import FORESEEN

    return isinstance(error, FORESEEN)
