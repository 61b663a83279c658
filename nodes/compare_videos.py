"""CompareVideos: clips side by side, each below its name."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.metrics.pictures.side_by_side import side_by_side
from .host.clips import by_label
from .host.previews import preview_video
from .newer_host import if_known

LABELS = ("reference", "result", "result 2", "result 3")


class CompareVideos(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CompareVideos",
            display_name="Compare Videos",
            category="motion inversion/evaluation",
            description="Puts up to four clips side by side, each below its label, as frames to save.",
            **if_known(search_aliases=["side by side", "video grid", "compare clips"], has_intermediate_output=True),
            is_output_node=True,
            inputs=[
                io.Image.Input(
                    "images_1",
                    tooltip="The first clip, to whose height the others are scaled.",
                ),
                *(
                    io.Image.Input(
                        f"images_{number}", optional=True, tooltip="A clip; if it ends early, it holds its last frame."
                    )
                    for number in range(2, len(LABELS) + 1)
                ),
                *(
                    io.String.Input(
                        f"label_{number}", default=label, optional=True, tooltip=f"What stands above images_{number}."
                    )
                    for number, label in enumerate(LABELS, start=1)
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="The clips side by side, for Create Video.")],
        )

    @classmethod
    def execute(cls, **given: Any) -> io.NodeOutput:
        compared = side_by_side(
            by_label(
                (given.get(f"label_{number}", label), given[f"images_{number}"])
                for number, label in enumerate(LABELS, start=1)
                if f"images_{number}" in given
            )
        )
        return io.NodeOutput(compared, ui=preview_video(compared))
