"""Where Wan's tokens of the video lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..token_layout import JointTokens, LiveTokens, Record


@dataclass(frozen=True)
class PatchTokens(JointTokens):
    """model: that runs; patches: its layer that makes tokens `(B, C, N, h, w)` of the latents, the video's first;
    reference: its layer that makes the tokens `(B, C, h, w)` before them, where there is one.
    """

    model: nn.Module
    patches: nn.Module
    reference: nn.Module | None = None

    def watch(self, record: Record) -> list[Any]:
        found: list[Any] = []

        def begin(_module: nn.Module, _args: tuple) -> None:
            found.clear()

        def note_patches(_module: nn.Module, _args: tuple, output: Tensor) -> None:
            if not found:  # others than the video's come later
                found.append(output.shape[2:])
                record(LiveTokens((output.shape[3], output.shape[4]), output.shape[2]))

        def note_reference(_module: nn.Module, _args: tuple, output: Tensor) -> None:
            frames, h, w = found[0]
            record(LiveTokens((h, w), frames, before=output.shape[-2] * output.shape[-1]))

        hooks = [self.model.register_forward_pre_hook(begin), self.patches.register_forward_hook(note_patches)]
        return hooks if self.reference is None else [*hooks, self.reference.register_forward_hook(note_reference)]
