"""MotionFidelity: whether two clips move alike, in numbers."""

from __future__ import annotations

from comfy_api.latest import io

from ..motion_core.metrics.comparison import STILL, compare_motion
from ..motion_core.metrics.wording import describe_fidelity
from ..motion_core.tracking.tracks import Tracks
from .host.previews import preview_text
from .newer_host import if_known
from .sockets import MotionTracksSocket


class MotionFidelity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MotionFidelity",
            display_name="Motion Fidelity",
            category="motion inversion/evaluation",
            description="Whether the points of two clips go the same ways: 1 the same, -1 the opposite.",
            **if_known(search_aliases=["motion score", "compare motion"], has_intermediate_output=True),
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                MotionTracksSocket.Input("reference", tooltip="Tracks of the reference, from Track Motion."),
                MotionTracksSocket.Input("result", tooltip="Tracks of the result, of as many frames."),
                io.Float.Input(
                    "still",
                    default=STILL,
                    min=0.0,
                    max=100.0,
                    step=0.05,
                    tooltip="Pixels a frame up to which a point counts as still; 0: the paper's.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="fidelity", tooltip="1: the same motion; 0: none of it; -1: the opposite."
                ),
                io.Float.Output(display_name="raw", tooltip="As published, twice the fidelity."),
                io.Float.Output(
                    display_name="discrepancy", tooltip="How far apart the ways lie, for the frame's size; 0: the same."
                ),
            ],
        )

    @classmethod
    def execute(cls, reference: Tracks, result: Tracks, still: float) -> io.NodeOutput:
        scores = compare_motion(reference, result, still)
        text = f"{describe_fidelity(scores)}\n(raw {scores.raw:.3g}, discrepancy {scores.discrepancy:.3g})"
        return io.NodeOutput(scores.fidelity, scores.raw, scores.discrepancy, ui=preview_text(cls, text))
