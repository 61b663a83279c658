"""ApplyMotionEmbedding: a MODEL that applies a motion embedding."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.motions.apply_settings import BRANCHES, EmbeddingSettings
from ..motion_core.motions.embedding import MotionEmbedding
from .apply_settings import OWN, choose_settings, offer_settings
from .host.motion_patch import apply_embedding
from .host.previews import preview_text
from .host.windows import FRAME_INDICES
from .newer_host import advanced, if_known
from .sockets import MotionEmbeddingSocket


class ApplyMotionEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ApplyMotionEmbedding",
            display_name="Apply Motion Embedding",
            category="motion inversion",
            description="Lets everything that the model makes move as the motion says. Several of these add up.",
            **if_known(search_aliases=["use motion", "motion transfer", "copy movement"], has_intermediate_output=True),
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Model.Input("model", tooltip="The kind of model that the motion was learnt on."),
                MotionEmbeddingSocket.Input("motion", tooltip="From Train, Load or Debias."),
                io.Float.Input(
                    "strength_qk",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How much of the timing between frames: 1 as learnt, 0 off.",
                ),
                io.Float.Input(
                    "strength_v",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How much of where things move: 1 as learnt, 0 camera motion only, above 1 exaggerates.",
                ),
                io.Combo.Input(
                    "branches",
                    options=list(BRANCHES),
                    default="both",
                    tooltip="both: the paper's. conditional: only the prompted half of guidance gets the motion, so "
                    "that guidance amplifies it.",
                ),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=1.0, step=0.01, tooltip="Applied from this part of sampling."
                ),
                io.Float.Input(
                    "end", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="Applied up to this part of sampling."
                ),
                advanced(
                    io.Combo.Input(
                        "frame_index",
                        options=list(FRAME_INDICES),
                        default="window",
                        optional=True,
                        tooltip="With sliding context windows: window repeats the motion in each, absolute stretches "
                        "it over the whole clip.",
                    )
                ),
                offer_settings("strength_qk", "strength_v", "branches", "start", "end"),
            ],
            outputs=[io.Model.Output(tooltip="For KSampler.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        motion: MotionEmbedding,
        strength_qk: float,
        strength_v: float,
        branches: str,
        start: float,
        end: float,
        frame_index: str = "window",
        settings: str = OWN,
    ) -> io.NodeOutput:
        own = EmbeddingSettings(branches, start, end, strength_qk, strength_v, debias="none")
        applied, text = choose_settings(settings, motion, own)
        return io.NodeOutput(apply_embedding(model, motion, applied, frame_index), ui=preview_text(cls, text))
