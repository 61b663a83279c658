"""`strip`: a caption without place and style."""

from __future__ import annotations

import argparse

from ..errors import OptionError
from ..recipes.captions import strip_caption
from .output import say

EXAMPLE = """example:
  python -m motion_core strip "a video of a man skiing down a snowy mountain, oil painting, 4k"

It prints a suggestion for learn --prompt, where the recipe wants to learn the motion alone: "a man skiing". Rules of
English make it, no model; read it before you use it."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("caption", metavar="TEXT", help="what a clip shows")


def run(args: argparse.Namespace) -> None:
    left = strip_caption(args.caption)
    if not left:
        raise OptionError(f"nothing is left of {args.caption!r}; say who moves and how")
    say(left)
