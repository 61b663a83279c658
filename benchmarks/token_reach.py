"""How much of a token reaches what works along time: by how much the inputs of these layers change with the caption.

Customizing Motion binds a motion to a token. A model whose layers along time hardly see the token can't be taught to
move with it and to stay at rest without it.

`python -m benchmarks.token_reach` prints a table for the starter model in a few seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import mean, median

import torch
from torch import Tensor, nn

from motion_core.evaluation.material.synthetic import Synthetic
from motion_core.models.families import recognize
from motion_core.models.layers import Layer
from motion_core.models.video_model import VideoModel
from motion_core.models.zeroscope.loading import load_model
from motion_core.recipes.customizing_motion import TOKEN
from motion_core.starter.folder import find_starter
from motion_core.starter.paths import TUNING

from .machine import describe_machine

LEVELS = (600, 800, 950)
"""Timesteps at which inputs are compared."""
CAPTIONS = {
    f"a {TOKEN}, {{own}}": "the token first",
    f"{{own}} {TOKEN}": "the token last",
    f"a {TOKEN}": "the token alone",
    "{other}": "other looks",
}


@contextmanager
def recorded_inputs(layers: Sequence[Layer]) -> Iterator[dict[str, Tensor]]:
    """Within the block, a forward records what each layer gets, by its name."""
    inputs: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.module.register_forward_pre_hook(partial(_record, inputs, layer.name)).remove)
        yield inputs


def _record(inputs: dict[str, Tensor], name: str, _layer: nn.Module, args: tuple[Tensor, ...]) -> None:
    inputs[name] = args[0]


@torch.no_grad()
def measure_change(model: VideoModel, clip: Tensor, captions: Sequence[str], t: int) -> float:
    """Returns the median over layers along time of how much their input changes from the first caption to the second,
    as a share of its norm. clip: (1, C, N, h, w).
    """
    layers = [layer for layer in recognize(model.denoiser.module).list_layers() if layer.temporal]
    eps = torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))
    level, seen = torch.tensor([t]), []
    z = model.denoiser.schedule.add_noise(clip, eps, level)
    for condition in model.encode_text(captions):
        with recorded_inputs(layers) as inputs:
            model.denoiser.predict(z, level, [condition])
        seen.append(inputs)
    before, after = seen
    return median(float((after[name] - before[name]).norm() / before[name].norm()) for name in before)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    model, material = load_model(find_starter()), Synthetic(tuple(TUNING))
    shown = [material.reference(name) for name in material.names]
    clips = [model.encode(each.clip.frames) for each in shown]
    print(f"{len(shown)} clips; {describe_machine(torch.device('cpu'))}\n")
    print("| the caption changes to | " + " | ".join(f"t = {t}" for t in LEVELS) + " |")
    print("| --- |" + " --- |" * len(LEVELS))
    for caption, words in CAPTIONS.items():
        captions = [
            (each.caption, caption.format(own=each.caption, other=shown[number - 1].caption))
            for number, each in enumerate(shown)
        ]
        changes = [mean(measure_change(model, *each, t) for each in zip(clips, captions, strict=True)) for t in LEVELS]
        print(f"| {words} | " + " | ".join(f"{change:.1%}" for change in changes) + " |", flush=True)


if __name__ == "__main__":
    main()
