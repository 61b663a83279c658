"""StopByAppearance: ends the training of an adapter when its previews no longer show their prompt."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.recipes.customizing_motion import without_token
from ..motion_core.training.early_stop import StopSettings
from .host.clip_features import encode_prompt
from .host.preview_score import PreviewScore
from .newer_host import if_known
from .sockets import EarlyStopSocket


class StopByAppearance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StopByAppearance",
            display_name="Stop By Appearance",
            category="motion inversion",
            description="Now and then a preview is made while an adapter is learnt, and a CLIP says how well it shows "
            "its prompt. Learning ends when that falls, and the adapter from before is kept.",
            **if_known(search_aliases=["early stopping", "overfitting"]),
            inputs=[
                io.String.Input(
                    "prompt",
                    multiline=True,
                    tooltip="What the preview is to show, for CLIP: not what the reference shows. V* is left out.",
                ),
                io.Conditioning.Input("positive", tooltip="The same prompt, with V* if the recipe has one."),
                io.Conditioning.Input("negative", tooltip="What the preview is not to show; an empty prompt is usual."),
                io.ClipVision.Input("clip_vision", tooltip="CLIP's half for pictures, from Load CLIP Vision."),
                io.Clip.Input(
                    "clip",
                    tooltip="The half for text of the same CLIP, from Load CLIP. A checkpoint's CLIP will not do: "
                    "SD 1.5's lacks the projection.",
                ),
                io.Vae.Input("vae", tooltip="The model's, which makes frames of a preview."),
                io.Int.Input("every", default=50, min=1, max=100_000, tooltip="Steps of learning between previews."),
                io.Float.Input(
                    "floor",
                    default=-1.0,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Learning ends when a preview's text similarity is below this; the last adapter above it "
                    "is kept. -1: none; the best is kept. Take a little less than the plain model's Text Similarity.",
                ),
                io.Int.Input(
                    "patience",
                    default=3,
                    min=0,
                    max=1000,
                    tooltip="Learning ends after so many previews without a better one than before. 0: never.",
                ),
                io.Int.Input("steps", default=20, min=1, max=999, tooltip="Sampling steps of a preview."),
                io.Float.Input("cfg", default=7.5, min=1.0, max=100.0, step=0.1, tooltip="Guidance of a preview."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=False,
                    tooltip="Of the preview's noise, which is the same each time.",
                ),
            ],
            outputs=[EarlyStopSocket.Output(display_name="early_stop", tooltip="For Train Motion Adapter.")],
        )

    @classmethod
    def execute(
        cls,
        prompt: str,
        positive: Any,
        negative: Any,
        clip_vision: Any,
        clip: Any,
        vae: Any,
        every: int,
        floor: float,
        patience: int,
        steps: int,
        cfg: float,
        seed: int,
    ) -> io.NodeOutput:
        settings = StopSettings(every, floor, patience)
        target = encode_prompt(clip, without_token(prompt))
        return io.NodeOutput(PreviewScore(settings, positive, negative, target, clip_vision, vae, steps, cfg, seed))
