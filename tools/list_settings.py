"""Writes the table of all settings into `docs/settings.md`, from the metadata of the dataclasses that declare them.

`python -m tools.list_settings` replaces what lies between the two marks of that page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from motion_core.guidance.dmt import DmtConfig
from motion_core.guidance.motion_clone import MotionCloneConfig
from motion_core.motions.apply_settings import AdapterSettings, EmbeddingSettings
from motion_core.options import Option, list_options
from motion_core.pipeline import GenerateConfig
from motion_core.recipes.recipe import list_training_options
from motion_core.training.early_stop import StopSettings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
BEGIN, END = "<!-- options: begin -->\n", "<!-- options: end -->\n"
Found = Iterable[tuple[dataclasses.Field, Option]]


@dataclasses.dataclass(frozen=True)
class Group:
    """A heading with its settings. flags: setting -> its option on the command line, where that has another name;
    defaults: setting -> what holds where nothing is given, where that is not the dataclass's default.
    """

    heading: str
    used_by: str
    settings: Found
    flags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    defaults: Mapping[str, str] = dataclasses.field(default_factory=dict)


def list_groups() -> Iterator[Group]:
    """Lists the groups of settings in the order of the page."""
    training = list_training_options()
    yield Group(
        "Training",
        "`learn`, `transfer`, Train Motion Embedding, Train Motion Adapter",
        training.values(),
        defaults=dict.fromkeys(training, "the recipe's"),
    )
    yield Group(
        "Early stop by appearance",
        "`learn`, `transfer`, Stop By Appearance",
        list_options(StopSettings),
        {"every": "--check-every", "floor": "--stop-appearance", "patience": "--stop-patience"},
    )
    interval = {"start": "--motion-start", "end": "--motion-end"}
    yield Group(
        "Applying a motion embedding",
        "`generate`, `transfer`, Apply Motion Embedding. The motion's suggestion holds before these defaults",
        list_options(EmbeddingSettings),
        interval,
    )
    yield Group(
        "Applying an adapter",
        "`generate`, `transfer`, Apply Motion Adapter. The motion's suggestion holds before these defaults",
        list_options(AdapterSettings),
        interval,
    )
    yield Group(
        "Guidance",
        "`guide`, Motion Guidance. The defaults are the published ones",
        _join(list_options(DmtConfig), list_options(MotionCloneConfig)),
        {"start": "--guide-start", "end": "--guide-end"},
    )
    yield Group(
        "Generating",
        "`generate`, `guide` and `transfer` (there `--sampling-steps`). `guide` takes the method's values first",
        list_options(GenerateConfig),
        defaults={
            **dict.fromkeys(("frames", "width", "height"), "the motion's, or the model's"),
            "noise": "the recipe's where a reference is given, else `random`",
            "beta": "the recipe's, or 0.5",
        },
    )


def _join(*lists: Found) -> Found:
    """Joins lists of settings, each name once."""
    return {field.name: (field, option) for found in lists for field, option in found}.values()


def write_group(group: Group) -> str:
    """Returns a group's heading and table."""
    rows = [write_row(group, field, option) for field, option in group.settings]
    head = "| setting | values | default | means |\n| --- | --- | --- | --- |\n"
    return f"### {group.heading}\n\n{group.used_by}.\n\n{head}{''.join(rows)}"


def write_row(group: Group, field: dataclasses.Field, option: Option) -> str:
    flag = f" (`{group.flags[field.name]}`)" if field.name in group.flags else ""
    default = group.defaults.get(field.name) or write_value(field.default)
    return f"| `{field.name}`{flag} | {write_values(field, option)} | {default} | {option.about} |\n"


def write_values(field: dataclasses.Field, option: Option) -> str:
    """Returns what values a setting may have."""
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    if option.minimum is not None:
        return (
            f"{option.minimum:g} to {option.maximum:g}" if option.maximum is not None else f"{option.minimum:g} or more"
        )
    return "on, off" if field.type == "bool" else "text"


def write_value(value: Any) -> str:
    if isinstance(value, str):
        return f"`{value}`" if value else "none"
    return f"{value:g}"


def replace_tables(page: str) -> str:
    """Returns the page with today's tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(write_group(group) for group in list_groups()) + END + after


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    print(f"wrote {PAGE}")
