"""DebiasValueEmbedding: takes the reference's appearance out of a motion."""

from __future__ import annotations

from comfy_api.latest import io

from ..motion_core.motions.debias import DEBIAS_MODES
from ..motion_core.motions.embedding import MotionEmbedding
from .newer_host import if_known
from .sockets import MotionEmbeddingSocket


class DebiasValueEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DebiasValueEmbedding",
            display_name="Debias Value Embedding",
            category="motion inversion",
            description="Takes what stays the same over time, the reference's appearance, out of the value embedding.",
            **if_known(search_aliases=["remove appearance", "keep only motion"]),
            inputs=[
                MotionEmbeddingSocket.Input("motion", tooltip="From Train or Load Motion Embedding."),
                io.Combo.Input(
                    "mode",
                    options=list(DEBIAS_MODES),
                    default="difference",
                    tooltip="difference: the paper's, frame minus frame before. mean: minus the mean over time. "
                    "none: as learnt.",
                ),
            ],
            outputs=[MotionEmbeddingSocket.Output(display_name="motion", tooltip="For Apply Motion Embedding.")],
        )

    @classmethod
    def execute(cls, motion: MotionEmbedding, mode: str) -> io.NodeOutput:
        return io.NodeOutput(motion.debiased(mode))
