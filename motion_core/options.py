"""Options: dataclass fields whose metadata makes the widget, the command-line option and the row in the docs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_KEY = "option"


@dataclass(frozen=True)
class Option:
    """What is known of an option. about: one or two sentences; choices: its values, where it has a list of them;
    minimum, maximum: bounds, both included; step: of a widget; flag: its name on the command line, without `--`.
    """

    about: str
    choices: Sequence[str] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    flag: str = ""
    metavar: str = ""


def option(default: Any, **known: Any) -> Any:
    """Declares a dataclass field that is an option. known: the fields of `Option`."""
    return dataclasses.field(default=default, metadata={_KEY: Option(**known)})


def list_options(config: Any) -> Iterator[tuple[dataclasses.Field, Option]]:
    """Lists the fields of a dataclass that are options, in order."""
    for field in dataclasses.fields(config):
        if _KEY in field.metadata:
            yield field, field.metadata[_KEY]


def find_option(config: Any, name: str) -> tuple[dataclasses.Field, Option]:
    """Finds an option of a dataclass by its name. Raises KeyError."""
    for field, known in list_options(config):
        if field.name == name:
            return field, known
    raise KeyError(name)
