"""Makes node inputs of the options that the core's dataclasses declare, and reads them.

One convention says that an option is not chosen: the word `preset's`, or a number below the option's smallest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ..motion_core.diffusion.timesteps import parse_timesteps
from ..motion_core.options import Option, find_option

PRESET = "preset's"
"""Stands for the value that the preset has."""
OLDER_WORDS = ("recipe's", "")
"""Words that stood for the same in graphs of earlier versions."""
SWITCH = {"on": True, "off": False}
SEED = {"min": 0, "max": 2**63 - 1, "control_after_generate": False}
"""Of a seed widget."""
_TIMESTEPS = "TimestepSampler | None"


def setting_input(config: Any, name: str, **rest: Any) -> io.Input:
    """Makes an input whose default is that of the option."""
    field, option = find_option(config, name)
    rest = {"tooltip": option.about, "default": field.default, **rest}
    if option.choices:
        return io.Combo.Input(name, options=list(option.choices), **rest)
    return _number(field)(name, min=option.minimum, max=option.maximum, **_step(option), **rest)


def preset_input(field: dataclasses.Field, option: Option, **rest: Any) -> io.Input:
    """Makes an input whose default is that the preset's value is taken."""
    name = field.name
    if field.type == "bool":
        return io.Combo.Input(name, options=[PRESET, *SWITCH], **{"default": PRESET, "tooltip": option.about, **rest})
    if field.type == _TIMESTEPS:
        return io.String.Input(name, **{"default": PRESET, "tooltip": option.about, **rest})
    if option.choices:
        known = {"default": PRESET, "tooltip": option.about, **rest}
        return io.Combo.Input(name, options=[PRESET, *option.choices], **known)
    unset = _unset_number(field, option)
    rest = {"default": unset, "tooltip": f"{option.about} {unset:g}: the preset's.", **rest}
    return _number(field)(name, min=unset, max=option.maximum, **_step(option), **rest)


def read_option(field: dataclasses.Field, option: Option, value: Any) -> Any:
    """Returns what a widget says of an option, None for the preset's value. Raises OptionError."""
    if isinstance(value, str):
        word = value.strip()
        if word == PRESET or word in OLDER_WORDS:
            return None
        if field.type == "bool":
            return SWITCH[word]
        return parse_timesteps(word) if field.type == _TIMESTEPS else word
    return None if option.minimum is not None and value < option.minimum else value


def read_options(known: Mapping[str, tuple[dataclasses.Field, Option]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the widgets say of options, by name, None for the preset's values. Raises OptionError."""
    return {name: read_option(*known[name], value) for name, value in given.items()}


def _number(field: dataclasses.Field) -> Any:
    return io.Int.Input if field.type.startswith("int") else io.Float.Input


def _step(option: Option) -> dict[str, float]:
    return {} if option.step is None else {"step": option.step}


def _unset_number(field: dataclasses.Field, option: Option) -> float:
    """0 where that is below the option's smallest value, else -1."""
    assert option.minimum is not None, field.name
    unset = 0 if option.minimum > 0 else -1
    return unset if field.type.startswith("int") else float(unset)
