"""RecolourReferenceVideo: the same clip in other colours, so that learning its motion does not learn its colours."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..motion_core.errors import OptionError
from ..motion_core.video.pictures.recolouring import COLOURINGS, recolour
from .newer_host import if_known


class RecolourReferenceVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RecolourReferenceVideo",
            display_name="Recolour Reference Video",
            category="motion inversion",
            description="Repeats the clip in other colours. What they share is the motion, so that is what is learnt.",
            **if_known(search_aliases=["recolor video", "change colors", "tint"]),
            inputs=[
                io.Image.Input("images", tooltip="The reference's frames, from Load Reference Video."),
                io.Int.Input(
                    "colourings",
                    default=COLOURINGS,
                    min=1,
                    max=COLOURINGS,
                    tooltip="How often the clip is repeated; the first is the clip as it is. Give the "
                    "same number to Train Motion Embedding.",
                ),
            ],
            outputs=[
                io.Image.Output("recoloured", display_name="images", tooltip="All of them in a row, for VAE Encode."),
                io.Int.Output("count", display_name="colourings", tooltip="For Train Motion Embedding."),
            ],
        )

    @classmethod
    def execute(cls, images: torch.Tensor, colourings: int) -> io.NodeOutput:
        if not 1 <= colourings <= COLOURINGS:
            raise OptionError(f"colourings is {colourings}; choose 1 to {COLOURINGS}")
        return io.NodeOutput(recolour(images[..., :3], colourings).flatten(0, 1), colourings)
