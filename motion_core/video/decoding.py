"""Decoding a video file, one frame at a time."""

from collections.abc import Generator, Iterator
from pathlib import Path

import av
import torch
from av.container import InputContainer
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image
from torch import Tensor

from ..errors import VideoError
from .fitting import lay_on_black
from .options import ClipOptions
from .picking import pick_frames
from .refusals import MAX_FRAME_PIXELS, check_frame_size, reporting_damage

UNKNOWN_FPS = 8.0
SANE_FPS = (0.1, 240.0)

# Only containers of one file, and no network: a playlist renamed .mp4 would make the demuxer open other files.
DEMUXER_OPTIONS = {
    "format_whitelist": "mov,matroska,gif,avi",
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_FRAME_PIXELS),
}

# libswscale's bilinear + accurate_rnd + full_chroma_int + full_chroma_inp, which older bindings have no names for.
# Its default shortcuts darken every picture by one grey level of 255.
EXACT_COLOURS = 0x2 | 0x40000 | 0x2000 | 0x4000


def decode_video(path: Path, options: ClipOptions) -> Generator[tuple[Tensor, float], None, None]:
    with reporting_damage(path), open_video(path) as container:
        stream = find_video_stream(container, path)
        fps = read_rate(stream)
        scaler = VideoReformatter()  # one for all frames, as setting one up takes longer than using it
        for number, frame in pick_frames(decode_frames(container, stream, path), options, path):
            check_frame_size(path, frame.width, frame.height)
            if frame.is_corrupt:  # the decoder painted over a damaged place
                raise VideoError(f"{path} is damaged at frame {number}; export it again, or take frames before it")
            yield read_pixels(frame, scaler), fps


def open_video(path: Path) -> InputContainer:
    # absolute, because "a:b.mp4" would be a protocol; replace, because titles in old encodings are no damage
    return av.open(str(path.absolute()), options=DEMUXER_OPTIONS, metadata_errors="replace")


def find_video_stream(container: InputContainer, path: Path) -> VideoStream:
    streams = [stream for stream in container.streams.video if stream.codec_context]  # None: an unknown codec
    if not streams:
        raise VideoError(f"{path} has no video track that can be decoded; use one with pictures, such as an h264 mp4")
    if container.format.name == "gif":
        with Image.open(path) as image:  # the demuxer doesn't know a gif's size before it decodes
            check_frame_size(path, *image.size)
    stream = streams[0]
    check_frame_size(path, stream.codec_context.width, stream.codec_context.height)
    stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}  # a file may change its size half-way
    return stream


def read_rate(stream: VideoStream) -> float:
    fps = float(stream.average_rate or 0)
    low, high = SANE_FPS
    return fps if low <= fps <= high else UNKNOWN_FPS


def decode_frames(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[av.VideoFrame]:
    """Every frame, in order of display; VideoError after the last one if the file is cut off."""
    count = 0
    end = 0.0  # seconds, of the packets of every track: the file's duration is that of its longest
    whole = True
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
            continue
        whole = not packet.is_corrupt
        for frame in stream.decode(packet if whole else None):  # None: what the decoder still holds back
            count += 1
            yield frame
        if not whole:
            break
    if not (whole and reaches_end(container, path, end + 2 / read_rate(stream))):
        raise VideoError(f"{path} is cut off after {count} frames; export it again, or ask for fewer")


def reaches_end(container: InputContainer, path: Path, end: float) -> bool:
    """False for a cut-off file that raised nothing and just ended early. end: seconds, of what was read."""
    if container.format.name == "gif":
        return ends_like_gif(path)
    return end >= 0.95 * (container.duration or 0) / av.time_base


def ends_like_gif(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return file.read().rstrip(b"\0\r\n").endswith(b";")


def read_pixels(frame: av.VideoFrame, scaler: VideoReformatter) -> Tensor:
    """(H, W, 3) uint8, upright, transparency on black."""
    alpha = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
    picture = scaler.reformat(
        frame,
        format="rgba" if alpha else "rgb24",
        src_colorspace=frame.colorspace,
        dst_colorspace=Colorspace.DEFAULT,  # older bindings heed the source's only if the two differ
        interpolation=EXACT_COLOURS,
    )
    pixels = torch.from_numpy(picture.to_ndarray())
    turns = round(frame.rotation / 90)  # quarter turns, counterclockwise
    return torch.rot90(lay_on_black(pixels), turns, (0, 1))
