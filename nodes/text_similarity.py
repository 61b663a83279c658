"""TextSimilarity: whether a result shows what its prompt says."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..motion_core.metrics.clip_scores import text_similarity
from ..motion_core.metrics.wording import format_scores
from .host.clip_features import encode_pair
from .host.previews import preview_text
from .newer_host import if_known


class TextSimilarity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TextSimilarity",
            display_name="Text Similarity",
            category="motion inversion/evaluation",
            description="How well each frame shows what the prompt says, by a CLIP (CLIPScore).",
            **if_known(search_aliases=["clip score", "prompt match"], has_intermediate_output=True),
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the result."),
                io.String.Input("prompt", multiline=True, tooltip="What the result is to show."),
                io.ClipVision.Input("clip_vision", tooltip="CLIP's half for pictures, from Load CLIP Vision."),
                io.Clip.Input(
                    "clip",
                    tooltip="The half for text of the same CLIP, from Load CLIP. A checkpoint's CLIP will not do: "
                    "SD 1.5's lacks the projection.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="similarity", tooltip="Mean cosine of frames and prompt: -1 to 1, rarely above 0.4."
                )
            ],
        )

    @classmethod
    def execute(cls, images: Tensor, prompt: str, clip_vision: Any, clip: Any) -> io.NodeOutput:
        similarity = text_similarity(*encode_pair(clip, prompt, clip_vision, images[..., :3])).item()
        return io.NodeOutput(similarity, ui=preview_text(cls, format_scores({"text similarity": similarity})))
