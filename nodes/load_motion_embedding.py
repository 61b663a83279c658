"""LoadMotionEmbedding: a motion from `models/motion_embeddings`."""

from __future__ import annotations

from comfy_api.latest import io

from ..motion_core.motions.embedding import MotionEmbedding
from .host.folders import explain_missing, find_motion, list_motions
from .host.previews import preview_animation
from .newer_host import if_known
from .sockets import MotionEmbeddingSocket


class LoadMotionEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadMotionEmbedding",
            display_name="Load Motion Embedding",
            category="motion inversion",
            description="Loads a motion that was saved or downloaded. The file is checked; nothing in it is run.",
            **if_known(search_aliases=["open motion", "import motion"], has_intermediate_output=True),
            inputs=[
                io.Combo.Input("motion", options=list_motions(), tooltip="A file in models/motion_embeddings."),
            ],
            outputs=[MotionEmbeddingSocket.Output(display_name="motion", tooltip="For Debias and Apply.")],
        )

    @classmethod
    def validate_inputs(cls, motion: str) -> bool | str:
        return explain_missing(find_motion, motion)

    @classmethod
    def fingerprint_inputs(cls, motion: str) -> float:
        return find_motion(motion).stat().st_mtime

    @classmethod
    def execute(cls, motion: str) -> io.NodeOutput:
        loaded = MotionEmbedding.load(find_motion(motion))
        return io.NodeOutput(loaded, ui=preview_animation(loaded.origin.preview))
