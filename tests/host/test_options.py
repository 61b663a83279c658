"""An option is declared once: its widget, its command-line option and its row in the docs agree with the dataclass."""

import re

import pytest

from motion_core.commands.main import build_parser
from motion_core.motions.apply_settings import AdapterSettings, EmbeddingSettings
from motion_core.options import list_options
from motion_core.recipes.recipe import list_training_options
from tests.host.live_host import PACK

PRESET = "preset's"
TRAINING = list_training_options()
TRAINED_BY = {
    "TrainMotionEmbedding": (
        "steps",
        "learning_rate",
        "objective",
        "sites",
        "layout",
        "memory",
        "timesteps",
        "steady",
        "grid",
    ),
    "TrainMotionAdapter": ("steps", "learning_rate", "rank", "memory"),
}
APPLIED_BY = {
    "ApplyMotionEmbedding": (EmbeddingSettings, ("strength_qk", "strength_v", "branches", "start", "end", "fade")),
    "ApplyMotionAdapter": (AdapterSettings, ("strength", "branches", "start", "end", "fade")),
}
APPLYING = {field.name: (field, option) for kind, _ in APPLIED_BY.values() for field, option in list_options(kind)}
FLAGS = {"start": "motion-start", "end": "motion-end"}


def ask_widgets(host, node):
    inputs = host.ask(f"/object_info/{node}")[node]["input"]
    return {**inputs.get("required", {}), **inputs.get("optional", {})}


def choices_of(widget):
    kind, facts = widget
    return list(kind if isinstance(kind, list) else facts["options"])


def find_argument(command, name):
    commands = build_parser()._subparsers._group_actions[0].choices
    return commands[command]._option_string_actions[f"--{FLAGS.get(name, name.replace('_', '-'))}"]


def find_row(name):
    page = (PACK / "docs" / "settings.md").read_text(encoding="utf-8")
    return next(line for line in page.splitlines() if re.match(rf"\| `{name}`(?: \(|  ?\|| \|)", line))


@pytest.mark.parametrize(("node", "name"), [(node, name) for node, names in TRAINED_BY.items() for name in names])
def test_the_widget_of_training_agrees(host, node, name):
    (kind, facts), (field, option) = ask_widgets(host, node)[name], TRAINING[name]
    assert option.about.split(" On the command line")[0].rstrip(".") in facts["tooltip"]
    if field.type == "bool":
        assert choices_of((kind, facts)) == [PRESET, "on", "off"]
    elif option.choices:
        assert choices_of((kind, facts)) == [PRESET, *option.choices]
    elif option.minimum is not None:
        assert facts["min"] < option.minimum and facts["max"] == option.maximum and facts["default"] == facts["min"]
    else:
        assert kind == "STRING" and facts["default"] == PRESET


@pytest.mark.parametrize(("node", "name"), [(node, name) for node, (_, names) in APPLIED_BY.items() for name in names])
def test_the_widget_of_applying_agrees(host, node, name):
    widget = ask_widgets(host, node)[name]
    field, option = next(found for found in list_options(APPLIED_BY[node][0]) if found[0].name == name)
    assert widget[1]["tooltip"] == option.about and widget[1]["default"] == field.default
    if option.choices:
        assert choices_of(widget) == list(option.choices)
    else:
        assert (widget[1]["min"], widget[1]["max"]) == (option.minimum, option.maximum)


@pytest.mark.parametrize(("command", "name"), [
    *(("learn", name) for name in TRAINING), *(("generate", name) for name in APPLYING),
])  # fmt: skip
def test_the_command_line_and_the_docs_agree(command, name):
    _, option = {"learn": TRAINING, "generate": APPLYING}[command][name]
    argument, row = find_argument(command, name), find_row(name)
    about = option.about.rstrip(".")
    assert about[1:] in argument.help.replace("%%", "%") and about in row
    assert argument.default is None
    if option.choices:
        assert all(f"`{choice}`" in row for choice in option.choices)
        assert argument.choices is None or tuple(argument.choices) == tuple(option.choices)
    elif option.minimum is not None:
        assert f"{option.minimum:g} to {option.maximum:g}" in row
