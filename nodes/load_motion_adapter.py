"""LoadMotionAdapter: an adapter from `models/motion_adapters`, ours or someone else's."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.files.header import read_metadata
from ..motion_core.motions.thumbnail import read_preview
from .host.adapter_loading import load_adapter
from .host.folders import explain_missing, find_adapter, list_adapters
from .host.previews import preview_animation
from .newer_host import if_known
from .sockets import MotionAdapterSocket


class LoadMotionAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadMotionAdapter",
            display_name="Load Motion Adapter",
            category="motion inversion",
            description="Loads an adapter that was saved here, a motion LoRA, or a file of MotionDirector's. The file "
            "is checked; nothing in it is run.",
            **if_known(
                search_aliases=["open motion adapter", "motion lora", "motiondirector"],
                has_intermediate_output=True,
            ),
            inputs=[
                io.Combo.Input("adapter", options=list_adapters(), tooltip="A file in models/motion_adapters."),
                io.Model.Input(
                    "model", optional=True, tooltip="Needed for MotionDirector's files, which name no layers."
                ),
            ],
            outputs=[MotionAdapterSocket.Output(display_name="adapter", tooltip="For Apply Motion Adapter.")],
        )

    @classmethod
    def validate_inputs(cls, adapter: str) -> bool | str:
        return explain_missing(find_adapter, adapter)

    @classmethod
    def fingerprint_inputs(cls, adapter: str, model: Any = None) -> float:
        return find_adapter(adapter).stat().st_mtime

    @classmethod
    def execute(cls, adapter: str, model: Any = None) -> io.NodeOutput:
        path = find_adapter(adapter)
        return io.NodeOutput(load_adapter(path, model), ui=preview_animation(read_preview(read_metadata(path))))
