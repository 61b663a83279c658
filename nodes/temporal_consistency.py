"""TemporalConsistency: whether the frames of a clip stay alike."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..motion_core.metrics.clip_scores import frame_consistency, temporal_consistency
from ..motion_core.metrics.wording import format_scores
from .host.clip_features import encode_frames
from .host.previews import preview_text
from .newer_host import if_known


class TemporalConsistency(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TemporalConsistency",
            display_name="Temporal Consistency",
            category="motion inversion/evaluation",
            description="How alike the frames of a clip are to a CLIP: 1 is a clip in which nothing changes.",
            **if_known(search_aliases=["flicker", "frame consistency", "smoothness"], has_intermediate_output=True),
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the result, 2 or more."),
                io.ClipVision.Input("clip_vision", tooltip="From Load CLIP Vision; ViT-L/14 is what papers take."),
            ],
            outputs=[
                io.Float.Output(display_name="temporal", tooltip="Mean cosine of all pairs of frames."),
                io.Float.Output(display_name="frame", tooltip="Mean cosine of each frame and the next."),
            ],
        )

    @classmethod
    def execute(cls, images: Tensor, clip_vision: Any) -> io.NodeOutput:
        features = encode_frames(clip_vision, images[..., :3])
        temporal, frame = temporal_consistency(features).item(), frame_consistency(features).item()
        text = format_scores({"temporal consistency": temporal, "frame consistency": frame})
        return io.NodeOutput(temporal, frame, ui=preview_text(cls, text))
