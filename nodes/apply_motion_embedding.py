"""ApplyMotionEmbedding: a MODEL that moves as the motion says."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.motions.apply_settings import EmbeddingSettings
from ..motion_core.motions.embedding import MotionEmbedding
from .apply_settings_choice import OWN, choose_settings, describe_settings, settings_choice
from .host.motion_patch import apply_embedding
from .host.previews import preview_text
from .host.windows import FRAME_INDICES
from .newer_host import advanced, if_known
from .option_inputs import setting_input
from .sockets import MotionEmbeddingSocket

_FIRST = ("strength_qk", "strength_v", "branches", "start", "end")
_OWN = (*_FIRST, "fade")


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
                *(setting_input(EmbeddingSettings, name) for name in _FIRST),
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
                settings_choice(_OWN),
                advanced(setting_input(EmbeddingSettings, "fade", optional=True)),
            ],
            outputs=[io.Model.Output(tooltip="For KSampler.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        motion: MotionEmbedding,
        frame_index: str = "window",
        settings: str = OWN,
        **own: Any,
    ) -> io.NodeOutput:
        chosen = choose_settings(settings, motion, **own, debias="none")
        applied = apply_embedding(model, motion, chosen, frame_index)
        return io.NodeOutput(applied, ui=preview_text(cls, describe_settings(settings, motion, chosen)))
