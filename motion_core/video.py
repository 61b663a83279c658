"""Video clips in and out of tensors, (N, H, W, 3) float32 of 0..1."""

from .video_reading import IMAGE_SUFFIXES, Clip, ClipOptions, read_clip, read_still, take_frames
from .video_writing import write_clip, write_sheet

__all__ = [
    "IMAGE_SUFFIXES",
    "Clip",
    "ClipOptions",
    "read_clip",
    "read_still",
    "take_frames",
    "write_clip",
    "write_sheet",
]
