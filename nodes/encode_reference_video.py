"""EncodeReferenceVideo: one clip or several in a row to a LATENT, for models of frames and of videos alike."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..motion_core.errors import OptionError
from .newer_host import if_known


class EncodeReferenceVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EncodeReferenceVideo",
            display_name="Encode Reference Video",
            category="motion inversion",
            description="Encodes several versions of a clip, each on its own. VAE Encode takes them for one long "
            "video where the model is one of videos, such as Wan.",
            **if_known(search_aliases=["vae encode video", "encode clips", "wan reference"]),
            inputs=[
                io.Image.Input("images", tooltip="One clip, or several of one length in a row."),
                io.Vae.Input("vae", tooltip="The VAE that belongs to the model."),
                io.Int.Input(
                    "clips",
                    default=1,
                    min=1,
                    max=100,
                    tooltip="How many they are; connect the number that Recolour or Augment Reference Video gives.",
                ),
            ],
            outputs=[
                io.Latent.Output(tooltip="For Train Motion Embedding, Motion Reference Set and Invert Reference Video.")
            ],
        )

    @classmethod
    def execute(cls, images: torch.Tensor, vae: Any, clips: int) -> io.NodeOutput:
        if len(images) % clips:
            raise OptionError(
                f"clips is {clips}, and {len(images)} frames are not {clips} clips of one length; connect the number "
                "that Recolour or Augment Reference Video gives"
            )
        each = images[..., :3].split(len(images) // clips)
        return io.NodeOutput({"samples": torch.cat([vae.encode(clip) for clip in each])})
