"""ApplyMotionAdapter: a MODEL that applies an adapter."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.motions.adapter import Adapter
from ..motion_core.motions.apply_settings import BRANCHES, AdapterSettings
from .apply_settings import OWN, choose_settings, offer_settings
from .host.motion_patch import apply_adapter
from .host.previews import preview_text
from .newer_host import advanced, if_known
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
                io.Float.Input("strength", default=1.0, min=-10.0, max=10.0, step=0.05, tooltip="1 as learnt, 0 off."),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=1.0, step=0.01, tooltip="Applied from this part of sampling."
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Applied up to this part of sampling; 0.5 for motion_matcher.",
                ),
                io.Combo.Input(
                    "parts",
                    options=[ALL, TEMPORAL],
                    default=ALL,
                    tooltip="temporal: without what works within frames and holds the appearance of the reference.",
                ),
                advanced(
                    io.Combo.Input(
                        "branches",
                        options=list(BRANCHES),
                        default=BRANCHES[0],
                        optional=True,
                        tooltip="both: the papers' way. conditional: only with the prompt, so that guidance "
                        "amplifies it.",
                    )
                ),
                offer_settings("strength", "start", "end", "branches"),
            ],
            outputs=[io.Model.Output(tooltip="For KSampler.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        adapter: Adapter,
        strength: float,
        start: float,
        end: float,
        parts: str,
        branches: str = BRANCHES[0],
        settings: str = OWN,
    ) -> io.NodeOutput:
        applied, text = choose_settings(settings, adapter, AdapterSettings(branches, start, end, strength))
        patched = apply_adapter(model, adapter, applied, temporal_only=parts == TEMPORAL)
        return io.NodeOutput(patched, ui=preview_text(cls, text))
