"""Writing clips and contact sheets, atomically, and with the same bytes for the same frames."""

import io
import math
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import torch
from av.codec.codec import UnknownCodecError
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image
from torch import Tensor

from ..atomic_write import replacing
from ..errors import OptionError, VideoError
from .frames.colours import EXACT_COLOURS
from .pictures.contact_sheets import draw_sheet
from .pictures.pixels import check_frames, to_bytes, to_image

FPS_RANGE = (0.01, 240.0)
# suffix -> encoders, best first, with settings for a quality without visible loss
ENCODERS: dict[str, dict[str, dict[str, str]]] = {
    # x264's macroblock tree is not deterministic for small frames, even on one thread
    ".mp4": {"libx264": {"crf": "17", "mbtree": "0"}, "mpeg4": {"qmin": "2", "qmax": "4", "b": "20M"}},
    ".webm": {"libvpx-vp9": {"crf": "20", "cpu-used": "3"}, "libvpx": {"crf": "6", "b": "8M"}},
    ".gif": {"gif": {}},
}
FAILURES = (OSError, av.FFmpegError, UnknownCodecError)
GIF_FPS = 50.0  # players show faster gifs at 10 frames per second
PALETTE_SAMPLES = 2**20  # pixels from which a gif's palette is chosen


def write_clip(path: str | os.PathLike[str], frames: Tensor, fps: float) -> None:
    """Writes frames, (N, H, W, 3) floats of 0..1, as .mp4, .webm or a looping .gif. fps: frames per second.

    Odd sides of an mp4 or webm are padded by repeating the last row or column. A gif plays at 50 frames per second at
    most. If writing fails, an older file of that name stays as it is.
    Raises VideoError (unknown suffix, or the file can't be written) or OptionError (wrong frames or fps).
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in ENCODERS:
        raise VideoError(f"{path} has an unknown suffix; end its name in one of {', '.join(ENCODERS)}")
    check_frames(frames)
    low, high = FPS_RANGE
    if not low <= fps <= high:
        raise OptionError(f"fps={fps} must be from {low} to {high}")
    with replacing(path, VideoError, FAILURES) as scratch:
        if suffix == ".gif":
            pictures, fps = draw_palette_frames(frames), min(fps, GIF_FPS)
        else:
            pictures = draw_colour_frames(frames)
        scratch.write_bytes(encode(pictures, Fraction(fps).limit_denominator(1001), suffix))


def write_sheet(
    path: str | os.PathLike[str],
    rows: Sequence[Tensor],
    labels: Sequence[str] | None = None,
    *,
    scale: int = 1,
    columns: int = 8,
) -> None:
    """Writes a PNG contact sheet: a row of evenly spaced frames for each clip, (N, H, W, 3) floats of 0..1.

    labels: a text to the left of each row; scale: a whole number by which frames are enlarged; columns: frames per row,
    fewer if the clip is shorter. Raises VideoError or OptionError as `write_clip` does.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise VideoError(f"{path} has an unknown suffix; a contact sheet's name ends in .png")
    sheet = draw_sheet(rows, labels, scale, columns)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    with replacing(path, VideoError, FAILURES) as scratch:
        scratch.write_bytes(buffer.getvalue())


# ---- video files


def encode(pictures: Iterator[av.VideoFrame], fps: Fraction, suffix: str) -> bytes:
    """Encodes pictures as a file in memory, on one thread and without dates, so that its bytes are reproducible."""
    buffer = io.BytesIO()
    name = choose_encoder(suffix)
    first = next(pictures)
    with av.open(buffer, "w", format=suffix[1:], options={"fflags": "+bitexact"}) as container:
        settings = {"flags": "+bitexact", "threads": "1", **ENCODERS[suffix][name]}
        stream = cast(VideoStream, container.add_stream(name, rate=fps, options=settings))
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        stream.codec_context.colorspace, stream.codec_context.color_range = first.colorspace, first.color_range
        for number, picture in enumerate(chain([first], pictures)):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def choose_encoder(suffix: str) -> str:
    """The first encoder for a suffix that this build of FFmpeg has."""
    *others, last = ENCODERS[suffix]
    for name in others:
        try:
            av.Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    return last


def draw_colour_frames(frames: Tensor) -> Iterator[av.VideoFrame]:
    """Yields yuv420p pictures. Their sides must be even, so odd ones are padded."""
    scaler = VideoReformatter()
    for frame in frames:
        pixels = to_bytes(frame)
        for axis in (0, 1):
            if pixels.shape[axis] % 2:
                pixels = torch.cat([pixels, pixels.narrow(axis, -1, 1)], axis)
        picture = av.VideoFrame.from_ndarray(pixels.numpy(), format="rgb24")
        picture = scaler.reformat(
            picture,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=EXACT_COLOURS,
        )
        picture.colorspace, picture.color_range = Colorspace.ITU709, ColorRange.MPEG
        yield picture


def draw_palette_frames(frames: Tensor) -> Iterator[av.VideoFrame]:
    """Yields pal8 pictures with one palette for the clip and no dithering, so that still regions do not flicker."""
    step = math.ceil(math.sqrt(frames[..., 0].numel() / PALETTE_SAMPLES))
    samples = to_image(frames[:, ::step, ::step].flatten(0, 1))
    palette = samples.quantize(255)  # the encoder needs the last colour for transparency
    colours = torch.zeros(256, 4, dtype=torch.uint8)  # alpha, red, green, blue
    colours[:, 0] = 255
    rgb = torch.tensor(palette.getpalette(), dtype=torch.uint8).view(-1, 3)
    colours[: len(rgb), 1:] = rgb
    for pixels in frames:
        indices = to_image(pixels).quantize(palette=palette, dither=Image.Dither.NONE)
        data = torch.frombuffer(bytearray(indices.tobytes()), dtype=torch.uint8).view(pixels.shape[:2])
        yield av.VideoFrame.from_ndarray((data.numpy(), colours.numpy()), format="pal8")  # type: ignore[arg-type]
