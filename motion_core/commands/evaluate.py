"""`evaluate`: a suite of methods, clips, prompts and seeds to one table."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..device import DEVICES
from ..errors import OptionError
from ..evaluation.runner import evaluate
from ..evaluation.suite import SHIPPED, read_suite
from .output import say

EXAMPLE = """examples:
  python -m motion_core evaluate starter
  python -m motion_core evaluate my_suite.yaml --workers 4

Interrupted, it goes on where it stopped. The folder holds results.jsonl, table.md and a contact sheet for each clip."""


def add_options(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.yaml")))
    parser.add_argument("suite", type=Path, metavar="SUITE", help=f"a suite file, or one that ships: {names}")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default: evaluation/NAME)")
    parser.add_argument("--model", metavar="DIR", help="diffusers folder, instead of the suite's")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these reference clips (of the synthetic ones)")
    parser.add_argument("--folder", metavar="DIR", help="folder of reference clips, instead of the suite's")
    parser.add_argument("--clip", metavar="DIR", help="CLIP as transformers saves it, for the scores that need it")
    parser.add_argument("--methods", default="", metavar="TEXT", help="only methods whose name contains this")
    parser.add_argument("--seeds", type=int, metavar="N", help="instead of the suite's")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes of Ray (default: 0, no Ray)")
    parser.add_argument("--ray", default="", metavar="ADDRESS", help="of a Ray cluster, such as auto")
    parser.add_argument("--device", choices=DEVICES, help="where to compute (default: the first of them that there is)")


def run(args: argparse.Namespace) -> None:
    suite = read_suite(args.suite)
    material = {"clips": args.clips, "folder": args.folder, "clip": args.clip}
    changes = {"model": args.model, "seeds": args.seeds}
    methods = tuple(method for method in suite.methods if args.methods in method.name)
    names = {method.name for method in methods}
    methods = tuple(method if method.over in names else replace(method, over="") for method in methods)
    if not methods:
        raise OptionError(f"no method's name contains {args.methods!r}; the suite has {len(suite.methods)} others")
    suite = replace(
        suite,
        methods=methods,
        control=suite.control if suite.control in names else "",
        material={**suite.material, **{name: value for name, value in material.items() if value}},
        **{name: value for name, value in changes.items() if value is not None},
    )
    folder = args.out or Path("evaluation") / suite.name
    say(evaluate(suite, folder, workers=args.workers, address=args.ray, device=args.device))
    say(f"wrote {folder / 'table.md'}, results.jsonl and sheets")
