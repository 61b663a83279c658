"""Video clips in and out of tensors, (N, H, W, 3) float32 of 0..1."""

from .video_reading import Clip, ClipOptions, read_clip, take_frames
from .video_writing import write_clip, write_sheet

__all__ = ["Clip", "ClipOptions", "read_clip", "take_frames", "write_clip", "write_sheet"]
