"""StopByAppearance: ends training when its previews no longer show their prompt."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.recipes.customizing_motion import without_token
from ..motion_core.training.early_stop import StopSettings
from .host.clip_features import encode_prompt
from .host.preview_stop import PreviewStop
from .newer_host import if_known
from .option_inputs import SEED, setting_input
from .sockets import EarlyStopSocket


class StopByAppearance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StopByAppearance",
            display_name="Stop By Appearance",
            category="motion inversion",
            description="Makes a preview now and then while an adapter is trained, and scores with a CLIP how well it "
            "shows its prompt. Training ends when that falls, and the adapter from before is kept.",
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
                io.Vae.Input("vae", tooltip="The model's VAE, which turns a preview into frames."),
                setting_input(StopSettings, "every"),
                setting_input(StopSettings, "floor"),
                setting_input(StopSettings, "patience", default=3),
                io.Int.Input("steps", default=20, min=1, max=999, tooltip="Sampling steps of a preview."),
                io.Float.Input("cfg", default=7.5, min=1.0, max=100.0, step=0.1, tooltip="Guidance of a preview."),
                io.Int.Input("seed", default=0, **SEED, tooltip="Of the preview's noise, which is the same each time."),
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
        return io.NodeOutput(PreviewStop(settings, positive, negative, target, clip_vision, vae, steps, cfg, seed))
