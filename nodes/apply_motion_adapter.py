"""ApplyMotionAdapter: a MODEL that moves as an adapter says."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.motions.adapter import Adapter
from ..motion_core.motions.apply_settings import BRANCHES, AdapterSettings
from .apply_settings_choice import OWN, choose_settings, describe_settings, settings_choice
from .host.motion_patch import apply_adapter
from .host.previews import preview_text
from .newer_host import advanced, if_known
from .option_inputs import setting_input
from .sockets import MotionAdapterSocket

ALL, TEMPORAL = "all", "temporal"


class ApplyMotionAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ApplyMotionAdapter",
            display_name="Apply Motion Adapter",
            category="motion inversion",
            description="Lets everything that the model makes move as the adapter says. Several of these add up.",
            **if_known(
                search_aliases=["use motion adapter", "motion lora", "motion transfer"], has_intermediate_output=True
            ),
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Model.Input("model", tooltip="The kind of model that the adapter was learnt on."),
                MotionAdapterSocket.Input("adapter", tooltip="From Train or Load Motion Adapter."),
                *(setting_input(AdapterSettings, name) for name in ("strength", "start", "end")),
                io.Combo.Input(
                    "parts",
                    options=[ALL, TEMPORAL],
                    default=ALL,
                    tooltip="temporal: without the parts that work within frames and hold the reference's appearance.",
                ),
                advanced(setting_input(AdapterSettings, "branches", optional=True)),
                settings_choice(("strength", "start", "end", "branches", "fade")),
                advanced(setting_input(AdapterSettings, "fade", optional=True)),
            ],
            outputs=[io.Model.Output(tooltip="For KSampler.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        adapter: Adapter,
        parts: str,
        branches: str = BRANCHES[0],
        settings: str = OWN,
        **own: Any,
    ) -> io.NodeOutput:
        chosen = choose_settings(settings, adapter, **own, branches=branches)
        applied = apply_adapter(model, adapter, chosen, temporal_only=parts == TEMPORAL)
        return io.NodeOutput(applied, ui=preview_text(cls, describe_settings(settings, adapter, chosen)))
