"""SaveMotionEmbedding: a motion as a small file in `models/motion_embeddings`."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from ..motion_core.motions.embedding import MotionEmbedding
from ..motion_core.printable import printable
from .host.folders import MOTION_FOLDER, free_path, saved_name
from .newer_host import if_known
from .preview_inputs import add_preview, preview_input
from .sockets import MotionEmbeddingSocket


class SaveMotionEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveMotionEmbedding",
            display_name="Save Motion Embedding",
            category="motion inversion",
            description="Writes the motion to models/motion_embeddings; a file of that name is kept, not replaced.",
            **if_known(search_aliases=["export motion", "keep motion"], has_intermediate_output=True),
            is_output_node=True,
            inputs=[
                MotionEmbeddingSocket.Input("motion", tooltip="From Train Motion Embedding."),
                io.String.Input("name", default="motion", tooltip="The file's name, without its suffix."),
                preview_input(),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The name under which Load finds it.")],
        )

    @classmethod
    def execute(cls, motion: MotionEmbedding, name: str, preview: Tensor | None = None) -> io.NodeOutput:
        motion = add_preview(motion, preview)
        path = free_path(MOTION_FOLDER, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        motion.save(path)
        saved = saved_name(MOTION_FOLDER, path)
        return io.NodeOutput(saved, ui=ui.PreviewText(printable(f"saved as {saved}")))
