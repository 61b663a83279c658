"""LoadReferenceVideo: a video's frames, picked and sized for a video model."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.video.frames.options import ClipOptions
from ..motion_core.video.reading import Clip, read_clip, take_frames
from .host.folders import find_clip, list_clips
from .host.previews import preview_video
from .newer_host import if_known


class LoadReferenceVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadReferenceVideo",
            display_name="Load Reference Video",
            category="motion inversion",
            description="Picks frames from the video whose motion you want, at the size that the model works at.",
            **if_known(
                search_aliases=["load video", "upload video", "import clip", "video frames"],
                has_intermediate_output=True,
            ),
            inputs=[
                io.Combo.Input(
                    "video",
                    options=list_clips(),
                    upload=io.UploadType.video,
                    tooltip="A video of the input folder, one that you upload, or an example that comes with the pack.",
                ),
                io.Int.Input("frames", default=16, min=2, max=1024, tooltip="How many frames to take."),
                io.Int.Input(
                    "start",
                    default=0,
                    min=0,
                    max=1_000_000,
                    tooltip="The first frame to take, counted from 0 at the clip's mean rate.",
                ),
                io.Int.Input("every", default=1, min=1, max=1000, tooltip="Take each nth frame: 2 is double speed."),
                io.Int.Input("width", default=512, min=8, max=4096, step=8, tooltip="Width in pixels, as the model's."),
                io.Int.Input(
                    "height", default=320, min=8, max=4096, step=8, tooltip="Height in pixels, as the model's."
                ),
                io.Combo.Input(
                    "fit",
                    options=["crop", "pad"],
                    default="crop",
                    tooltip="crop: cut the middle out to the aspect. pad: keep everything and add black bars.",
                ),
                io.Boolean.Input("reversed", default=False, tooltip="Play the picked frames backwards."),
                io.Video.Input("clip", optional=True, tooltip="Takes this video instead of the file above."),
            ],
            outputs=[
                io.Image.Output("images", display_name="images", tooltip="The picked frames."),
                io.Float.Output(
                    "fps", display_name="fps", tooltip="Frames a second, for saving results at this speed."
                ),
                io.Int.Output("count", display_name="frames", tooltip="How many frames were picked."),
            ],
        )

    @classmethod
    def validate_inputs(cls, video: str) -> bool | str:
        return True  # an uploaded file is not in the list that the host made at its start; execute looks for it

    @classmethod
    def fingerprint_inputs(cls, video: str, clip=None, **_: object) -> float:
        return 0.0 if clip is not None else find_clip(video).stat().st_mtime

    @classmethod
    def execute(
        cls,
        video: str,
        frames: int,
        start: int,
        every: int,
        width: int,
        height: int,
        fit: str,
        reversed: bool,
        clip=None,
    ) -> io.NodeOutput:
        options = ClipOptions(frames, start, every, width, height, fit, reversed)
        picked = read_clip(find_clip(video), options) if clip is None else _read_socket(clip, options)
        return io.NodeOutput(picked.frames, picked.fps, len(picked.frames), ui=preview_video(picked.frames, picked.fps))


def _read_socket(clip: Any, options: ClipOptions) -> Clip:
    """A VIDEO: from its file where it is a whole one, so that only the picked frames are decoded."""
    file = getattr(clip, "_VideoFromFile__file", None)
    cut = any(getattr(clip, f"_VideoFromFile__{part}", 0) for part in ("start_time", "duration"))
    if isinstance(file, str) and not cut:
        return read_clip(file, options)
    held = clip.get_components()
    return take_frames(held.images[..., :3], float(held.frame_rate), options)
