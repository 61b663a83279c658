"""Conversion of a decoded frame to SDR pixels of 8 bits."""

import av
import torch
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from torch import Tensor

from ..containers.input_checks import MAX_SIDE
from .orientation import turn_upright
from .resizing import lay_on_black, resize
from .tone_mapping import map_tones, needs_mapping

# libswscale's bilinear + accurate_rnd + full_chroma_int + full_chroma_inp; older bindings have no names for them.
# Its default is less exact and darkens every picture by one grey level of 255.
EXACT_COLOURS = 0x2 | 0x40000 | 0x2000 | 0x4000


def read_pixels(frame: av.VideoFrame, stream: VideoStream, scaler: VideoReformatter) -> Tensor:
    """Converts a frame to (H, W, 3) uint8: upright, with square pixels, transparency on black."""
    transfer, primaries = stream.codec_context.color_trc, stream.codec_context.color_primaries
    if needs_mapping(transfer, primaries):
        pixels = convert(frame, "rgb48le", scaler).to(torch.float32) / 65535
        pixels = (map_tones(pixels, transfer, primaries) * 255).round().to(torch.uint8)
    else:
        alpha = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
        pixels = lay_on_black(convert(frame, "rgba" if alpha else "rgb24", scaler))
    return turn_upright(make_square(pixels, float(stream.sample_aspect_ratio or 1)), frame)


def convert(frame: av.VideoFrame, pixel_format: str, scaler: VideoReformatter) -> Tensor:
    """Converts a frame to a pixel format, as integers (H, W, channels)."""
    picture = scaler.reformat(
        frame,
        format=pixel_format,
        src_colorspace=frame.colorspace,
        dst_colorspace=Colorspace.DEFAULT,  # older bindings use the source's only if the two differ
        interpolation=EXACT_COLOURS,
    )
    return torch.from_numpy(picture.to_ndarray())


def make_square(pixels: Tensor, aspect: float) -> Tensor:
    """Stretches (H, W, 3) so that pixels become square. aspect: width of a pixel divided by its height."""
    height, width = pixels.shape[:2]
    wider, higher = round(width * max(aspect, 1)), round(height / min(aspect, 1))
    return resize(pixels, higher, wider) if max(wider, higher) <= MAX_SIDE else pixels
