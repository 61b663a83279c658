"""Parses the command line and runs one command."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..errors import MotionError
from ..printable import any_encoding
from . import convert, evaluate, generate, guide, inspect, invert, learn, transfer
from .output import LogHandler, complain

_COMMANDS = {
    "learn": (learn, "learn the motion of a clip and save it to a small file"),
    "generate": (generate, "make a new clip that moves like a learnt motion and looks like a prompt"),
    "transfer": (transfer, "learn and generate in one"),
    "guide": (guide, "make a new clip that moves like a reference, by guidance, with nothing learnt"),
    "invert": (invert, "save the noise that leads to a clip, for generate --inverted"),
    "evaluate": (evaluate, "run methods on clips, prompts and seeds, and write one table"),
    "inspect": (inspect, "say what a motion file holds"),
    "convert": (convert, "turn the official motion_embed.pt into a motion file, or back"),
}

_ALIASES = {"guide": ("steer",)}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m motion_core",
        description="One clip in, its motion out; any prompt can then move that way.",
        epilog="Each command explains itself: python -m motion_core learn --help",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (module, summary) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            aliases=_ALIASES.get(name, ()),
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=module.EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(command)
        command.set_defaults(run=module.run)
    return parser


@contextmanager
def _logged_on_stderr() -> Iterator[None]:
    """Within the block the core's log lines are written to stderr, such as the memory mode that it chooses."""
    logger, handler = logging.getLogger(__name__.rsplit(".", 2)[0]), LogHandler()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 1 with one sentence on stderr, or 130 when interrupted."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is downloaded behind a person's back
    with any_encoding():
        return _run(build_parser().parse_args(arguments))


def _run(args: argparse.Namespace) -> int:
    try:
        with _logged_on_stderr():
            args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # what reads the output, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MotionError as error:
        complain(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        complain("stopped; nothing was written")
        return 130
    return 0
