"""Inputs for previews: of a motion while it is trained, and in its file."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..motion_core.motions.motion import AnyMotion, with_preview
from .host.training_previews import TrainingPreviews
from .newer_host import advanced


def preview_inputs() -> list[io.Input]:
    """Makes the inputs, which go last."""
    return [
        advanced(
            io.Int.Input(
                "preview_every",
                optional=True,
                default=0,
                min=0,
                max=100_000,
                tooltip="Shows the motion as it is after each so many steps, in a quick sampling. What is learnt stays "
                "the same, and learning takes longer. 0: no previews.",
            )
        ),
        advanced(
            io.Conditioning.Input(
                "preview", optional=True, tooltip="What previews show moving that way. Without it: positive."
            )
        ),
        advanced(
            io.Vae.Input(
                "vae", optional=True, tooltip="The model's, for true pictures in previews. Without it: rough colours."
            )
        ),
    ]


def read_previews(every: int, positive: Any, vae: Any) -> TrainingPreviews | None:
    """Returns what the inputs ask for."""
    return TrainingPreviews(every, positive, vae) if every else None


def preview_input() -> io.Input:
    """Makes the input of a node that saves a motion, which goes last."""
    return io.Image.Input(
        "preview",
        optional=True,
        tooltip="Frames to keep in the file as a small looping preview (100 kB at most): the reference's, a result's. "
        "Anyone who gets the file can see them.",
    )


def add_preview(motion: AnyMotion, frames: Tensor | None) -> AnyMotion:
    """Returns the motion with a preview of the frames, if there are any."""
    return motion if frames is None else with_preview(motion, frames[..., :3])
