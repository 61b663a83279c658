"""The README and the pages of docs/: what they tell a person to type, and what they point at."""

import argparse
import dataclasses
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from motion_core.commands.main import build_parser, main
from motion_core.evaluation.suite import Method, Suite, parse_suite
from motion_core.starter.folder import MODEL_FOLDER
from tools.draw_rooms import PICTURE, draw, find_arrows
from tools.list_settings import PAGE, replace_tables

ROOT = next(parent for parent in Path(__file__).resolve().parents if (parent / "pyproject.toml").is_file())
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
HELP_PAGES = sorted((ROOT / "web" / "docs").glob("*.md"))
TEXTS = {page: page.read_text(encoding="utf-8") for page in [*PAGES, *HELP_PAGES]}
LONGEST_README = 8192
COMMAND = "python -m motion_core "
CODE = re.compile(r"`([^`]+)`")
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.S | re.M)


def find_typed(text: str) -> list[str]:
    """The lines of code blocks, and what stands in backquotes, each on one line."""
    blocks = "\n".join(block for language, block in FENCED.findall(text) if not language)
    lines = [line.strip() for line in blocks.replace("\\\n", " ").splitlines()]
    return lines + [" ".join(code.split()) for code in CODE.findall(FENCED.sub("", text))]


def find_commands(page: Path) -> list[list[str]]:
    return [shlex.split(line, comments=True)[3:] for line in find_typed(TEXTS[page]) if line.startswith(COMMAND)]


def find_own_options(parser: argparse.ArgumentParser) -> set[str]:
    """The options of all commands."""
    subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    actions = [action for command in subparsers.choices.values() for action in command._actions]
    return {option for action in actions for option in action.option_strings}


COMMANDS = [(page, command) for page in TEXTS for command in find_commands(page)]
SHORT = {"learn": ["--steps", "2"], "generate": ["--steps", "2"]}
"""What makes a command of many minutes one of seconds."""


def name_page(value) -> str:
    return value.stem if isinstance(value, Path) else " ".join(value)


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= LONGEST_README


def test_the_pages_show_the_commands_of_every_day():
    shown = {command[0] for _, command in COMMANDS}
    assert {"learn", "generate", "inspect", "guide", "evaluate", "convert"} <= shown


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=name_page)
def test_every_command_is_understood(page, command):
    try:
        build_parser().parse_args(command)
    except SystemExit as ended:  # --help ends well
        assert ended.code == 0


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {line.split()[1] for line in find_typed(TEXTS[page]) if line.startswith("make ")} <= targets


@pytest.mark.parametrize("page", TEXTS, ids=name_page)
def test_every_tool_that_is_named_exists_with_its_options(page):
    for line in find_typed(TEXTS[page]):
        found = re.search(r"python -m ((?:benchmarks|tools|tests)[\w.]*)(.*)", line)
        if found:
            path = ROOT / found[1].replace(".", "/")
            sources = "".join(file.read_text(encoding="utf-8") for file in path.parent.glob("*.py"))
            assert path.with_suffix(".py").is_file(), line
            assert all(f'"{option}"' in sources for option in re.findall(r"--[\w-]+", found[2])), line


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_option_that_is_named_alone_exists(page):
    known = find_own_options(build_parser())
    named = {line.split()[0] for line in find_typed(TEXTS[page]) if line.startswith("--")}
    assert named <= known


def test_the_five_minutes_work(tmp_path, monkeypatch, capsys):
    clips = tmp_path / "motion_core" / "starter"
    clips.mkdir(parents=True)
    shutil.copytree(ROOT / "motion_core" / "starter" / "clips", clips / "clips")
    monkeypatch.chdir(tmp_path)
    commands = [command for command in find_commands(README) if "--model" not in command]
    assert [command[0] for command in commands] == ["learn", "inspect", "generate"]
    for command in commands:
        assert main([*command, *SHORT.get(command[0], [])]) == 0, capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} >= {"spiral.safetensors", "circle.gif"}


def test_every_choice_of_learn_is_explained():
    subparsers = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    choices = {action.dest: action.choices for action in subparsers.choices["learn"]._actions}
    methods = TEXTS[ROOT / "docs" / "methods.md"]
    assert choices["preset"] and all(f"`{name}`" in methods for name in choices["preset"])
    assert choices["recipe"] and all(f"| [`{name}`](#" in methods for name in choices["recipe"])


def test_every_graph_suite_and_node_is_listed():
    suites = ROOT / "motion_core" / "evaluation" / "suites"
    assert all(f"`{path.stem}`" in TEXTS[README] for path in (ROOT / "workflows").glob("*.json"))
    assert all(f"| `{path.stem}` |" in TEXTS[ROOT / "docs" / "evaluation.md"] for path in suites.glob("*.yaml"))
    assert all(f"(../web/docs/{path.name})" in TEXTS[ROOT / "docs" / "nodes.md"] for path in HELP_PAGES)


@pytest.mark.parametrize("page", TEXTS, ids=name_page)
def test_links_and_pictures_lead_somewhere(page):
    for target, _, heading in re.findall(r"\]\(([^)#:\s]*)(#([\w-]+))?\)", TEXTS[page]):
        path = page.parent / target if target else page
        assert path.exists(), target
        if heading:
            assert heading in find_anchors(path.read_text(encoding="utf-8")), f"{target}#{heading}"


def find_anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_the_files_that_are_named_exist(page):
    paths = re.findall(r"(?:motion_core|nodes|tests|tools|benchmarks|workflows|web)/[\w/.-]+", TEXTS[page])
    assert not [path for path in paths if not (ROOT / path.rstrip(".")).exists()]


def test_the_suite_in_the_docs_can_be_read():
    blocks = [block for language, block in FENCED.findall(TEXTS[ROOT / "docs" / "evaluation.md"]) if language == "yaml"]
    assert len(blocks) == 1
    assert [method.name for method in parse_suite(yaml.safe_load(blocks[0]), "docs").methods][0] == "base model"


def test_every_key_of_a_suite_is_explained():
    text = TEXTS[ROOT / "docs" / "evaluation.md"]
    keys = [each.name for kind in (Suite, Method) for each in dataclasses.fields(kind)]
    assert not [key for key in keys if f"`{key}`" not in text]


def test_the_tables_of_settings_are_those_of_today():
    assert replace_tables(TEXTS[PAGE]) == TEXTS[PAGE], "write them again: python -m tools.list_settings"


def test_every_setting_of_the_tables_is_an_option():
    known = find_own_options(build_parser())
    rows = re.findall(r"^\| `(\w+)`(?: \(`(--[\w-]+)`\))? \|", TEXTS[PAGE], re.M)
    assert len(rows) > 30
    assert not [name for name, flag in rows if (flag or f"--{name.replace('_', '-')}") not in known]


def test_the_picture_of_the_rooms_shows_the_imports_of_today():
    assert PICTURE.read_text(encoding="utf-8") == draw(find_arrows()), "draw it again: python -m tools.draw_rooms"


def test_an_arrow_that_closes_a_circle_is_red():
    assert 'class="circle"' in draw({"a": {"b"}, "b": {"a"}})
    assert 'class="circle"' not in draw({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_an_arrow_that_follows_from_others_is_left_out():
    assert draw({"a": {"b", "c"}, "b": {"c"}, "c": set()}).count('class="arrow"') == 2


def test_the_starter_model_is_small_enough_to_ship():
    weights = list(MODEL_FOLDER.glob("*/*.safetensors"))
    assert len(weights) == 3 and sum(path.stat().st_size for path in weights) <= 16 * 2**20
