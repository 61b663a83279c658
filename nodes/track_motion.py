"""TrackMotion: where the points of a clip go."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..motion_core.metrics.pictures.tracked_clip import draw_tracked_clip
from ..motion_core.tracking.tracker import TRACKERS, find_tracker
from ..motion_core.tracking.tracks import Tracks
from .host.folders import NO_WEIGHTS, explain_missing, find_tracker_weights, list_tracker_weights
from .host.previews import preview_video
from .newer_host import if_known
from .sockets import MotionTracksSocket


class TrackMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TrackMotion",
            display_name="Track Motion",
            category="motion inversion/evaluation",
            description="Follows a grid of points through a clip and draws their tracks.",
            **if_known(
                search_aliases=["point tracking", "cotracker", "optical flow", "trajectories"],
                has_intermediate_output=True,
            ),
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The frames of one clip, 2 or more."),
                io.Combo.Input(
                    "tracker",
                    options=["auto", *TRACKERS],
                    default="auto",
                    tooltip="auto: the first that is installed. lucas_kanade needs OpenCV, raft and cotracker need "
                    "weights, cotracker its package too.",
                ),
                io.Int.Input(
                    "spacing",
                    default=0,
                    min=0,
                    max=1024,
                    tooltip="Pixels between the points in the first frame; 0: a twentieth of the shorter side.",
                ),
                io.Combo.Input(
                    "weights",
                    options=list_tracker_weights(),
                    default=NO_WEIGHTS,
                    optional=True,
                    tooltip="RAFT's or CoTracker's file in models/motion_tracking; lucas_kanade takes none.",
                ),
            ],
            outputs=[
                MotionTracksSocket.Output(display_name="tracks", tooltip="For Motion Fidelity and Motion Report."),
                io.Image.Output(display_name="preview", tooltip="The frames with the tracks drawn over them."),
                io.Int.Output(display_name="count", tooltip="How many points were followed to the end."),
            ],
        )

    @classmethod
    def validate_inputs(cls, weights: str = NO_WEIGHTS) -> bool | str:
        return explain_missing(find_tracker_weights, weights)

    @classmethod
    def execute(cls, images: Tensor, tracker: str, spacing: int, weights: str = NO_WEIGHTS) -> io.NodeOutput:
        frames = images[..., :3]
        places = find_tracker(tracker, spacing, find_tracker_weights(weights)).track(frames)
        tracks = Tracks(places, *frames.shape[1:3])
        drawn = draw_tracked_clip(frames, tracks)
        return io.NodeOutput(tracks, drawn, len(places), ui=preview_video(drawn))
