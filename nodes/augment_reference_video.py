"""AugmentReferenceVideo: the same clip nearer, off centre and in other light, for Motion Reference Set."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..motion_core.video.pictures import augmentation
from ..motion_core.video.pictures.augmentation import AUGMENTATIONS, MAX_VERSIONS, AugmentConfig
from .newer_host import if_known


class AugmentReferenceVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AugmentReferenceVideo",
            display_name="Augment Reference Video",
            category="motion inversion",
            description="Repeats the clip nearer, off centre and in other light. What they share is the motion, so "
            "that is what is learnt.",
            **if_known(search_aliases=["zoom video", "shift video", "vary clip"]),
            inputs=[
                io.Image.Input("images", tooltip="The reference's frames, from Load Reference Video."),
                io.Int.Input(
                    "versions",
                    default=4,
                    min=1,
                    max=MAX_VERSIONS,
                    tooltip="How often the clip is repeated; the first is the clip as it is. Give the same "
                    "number to Motion Reference Set.",
                ),
                io.Combo.Input(
                    "augment",
                    options=list(AUGMENTATIONS),
                    default="both",
                    tooltip="spatial: enlarged and shifted. colour: brightness, contrast, saturation and hue. Nothing "
                    "is mirrored or turned, as that would be another motion.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=False,
                    tooltip="The same seed makes the same versions.",
                ),
            ],
            outputs=[
                io.Image.Output("augmented", display_name="images", tooltip="All of them in a row, for VAE Encode."),
                io.Int.Output("count", display_name="versions", tooltip="For Motion Reference Set's clips."),
            ],
        )

    @classmethod
    def execute(cls, images: torch.Tensor, versions: int, augment: str, seed: int) -> io.NodeOutput:
        varied = augmentation.augment(images[..., :3], AugmentConfig(versions, augment, seed))
        return io.NodeOutput(varied.flatten(0, 1), versions)
