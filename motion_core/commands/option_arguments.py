"""Makes command-line arguments of the options that dataclasses declare."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from ..diffusion.timesteps import TimestepSampler, parse_timesteps
from ..errors import OptionError
from ..options import Option


def add_option(
    group: argparse._ArgumentGroup,
    field: dataclasses.Field,
    option: Option,
    *,
    flag: str = "",
    dest: str = "",
    default: str = "",
) -> None:
    """Adds an argument whose value is None where nothing is given.

    flag: its name, without `--`; dest: under which the parser keeps it; default: what is taken then, for the
    help. An option with choices and a metavar takes other values too.
    """
    about = option.about[0].lower() + option.about[1:].rstrip(".")
    help_text = f"{about} (default: {default})" if default else about
    known: dict[str, Any] = {"dest": dest or field.name, "default": None, "help": help_text.replace("%", "%%")}
    name = f"--{flag or field.name.replace('_', '-')}"
    if field.type == "bool":
        group.add_argument(name, action=argparse.BooleanOptionalAction, **known)
    elif option.choices and not option.metavar:
        group.add_argument(name, choices=tuple(option.choices), **known)
    else:
        group.add_argument(name, type=_find_parser(field), metavar=option.metavar or None, **known)


def _find_parser(field: dataclasses.Field) -> Callable[[str], Any]:
    parsers: dict[str, Callable[[str], Any]] = {
        "int": int,
        "int | None": int,
        "float": float,
        "str": str,
        "TimestepSampler | None": _parse_timesteps,
    }
    return parsers[str(field.type)]


def _parse_timesteps(text: str) -> TimestepSampler:
    try:
        return parse_timesteps(text)
    except OptionError as reason:
        raise argparse.ArgumentTypeError(str(reason)) from reason
