"""Video clips in and out of tensors, (N, H, W, 3) float32 of 0..1."""

from .animations import is_still_webp
from .options import ClipOptions
from .reading import Clip, read_clip, read_still, take_frames
from .stills import IMAGE_SUFFIXES
from .writing import write_clip, write_sheet

__all__ = [
    "IMAGE_SUFFIXES",
    "Clip",
    "ClipOptions",
    "is_still_webp",
    "read_clip",
    "read_still",
    "take_frames",
    "write_clip",
    "write_sheet",
]
