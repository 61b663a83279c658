"""Decoding a video file, one frame at a time."""

from bisect import bisect_left
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import av
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image
from torch import Tensor

from ..errors import VideoError
from .containers.input_checks import MAX_FRAME_PIXELS, check_frame_size, reporting_damage
from .containers.packets import PacketScan, scan_packets
from .containers.timing import repeat_frames
from .frames.colours import read_pixels
from .frames.options import ClipOptions
from .frames.selection import select_frames

# Only single-file containers and no network: the demuxer would open other files for a playlist renamed .mp4.
DEMUXER_OPTIONS = {
    "format_whitelist": "mov,matroska,gif,avi",
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_FRAME_PIXELS),
}

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def decode_video(path: Path, options: ClipOptions) -> Generator[tuple[Tensor, float], None, None]:
    """Yields each selected frame (H, W, 3) uint8 with the clip's rate. Frames are counted at the mean rate."""
    with reporting_damage(path), open_video(path) as container:
        scan = scan_packets(container, find_video_stream(container, path), path)
    with reporting_damage(path), open_video(path) as container:
        stream = find_video_stream(container, path)
        fps = scan.timeline.fps
        scaler = VideoReformatter()  # one for all frames, because its setup takes longer than its use
        frames = repeat_frames(decode_frames(container, stream, scan, path), scan.timeline.count_repeats())
        for _, frame in select_frames(frames, options, path):
            check_frame_size(path, frame.width, frame.height)
            yield read_pixels(frame, stream, scaler), fps


def open_video(path: Path) -> InputContainer:
    """Opens a video file for demuxing."""
    # absolute, because "a:b.mp4" would be a protocol; replace, because titles in other encodings are no damage
    return av.open(str(path.absolute()), options=DEMUXER_OPTIONS, metadata_errors="replace")


def find_video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video track with a known codec. Raises VideoError if there is none or its frames are too large."""
    streams = [stream for stream in container.streams.video if stream.codec_context]  # None for an unknown codec
    if not streams and container.streams.audio and not container.streams.video:
        raise VideoError(f"{path} holds only sound and no video track; a motion needs pictures, so give a video")
    if not streams:
        raise VideoError(f"{path} has no video track that can be decoded; use one with pictures, such as an h264 mp4")
    if container.format.name == "gif":
        with Image.open(path) as image:  # the demuxer does not know a gif's size before decoding
            check_frame_size(path, *image.size)
    stream = streams[0]
    check_frame_size(path, stream.codec_context.width, stream.codec_context.height)
    stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}  # the frame size may change within a file
    return stream


def decode_frames(
    container: InputContainer, stream: VideoStream, scan: PacketScan, path: Path
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yields every frame with its number, in display order. Raises VideoError at a damaged or missing frame."""
    count = 0
    decoder = find_decoder(stream, path)
    for packet in container.demux(stream):
        intact = not packet.is_corrupt
        for frame in decoder.decode(packet if intact else None):  # None flushes the decoder
            number = find_number(frame, scan.times, count)
            if frame.is_corrupt or (count and number > count):  # the decoder concealed damage or skipped a frame
                raise VideoError(f"{path} is damaged at frame {count}; export it again, or take frames before it")
            if number == scan.count and not scan.complete:
                break
            count = number + 1
            yield number, frame
        if not intact:
            break
    if count < scan.count:
        raise VideoError(f"{path} is damaged at frame {count}; export it again, or take frames before it")
    if not scan.complete:
        raise VideoError(f"{path} is cut off after {count} frames; export it again, or ask for fewer")


def find_decoder(stream: VideoStream, path: Path) -> VideoCodecContext:
    """The stream's own decoder, or libvpx for VP8 and VP9 with transparency, which only libvpx supports."""
    own = stream.codec_context
    if stream.metadata.get("alpha_mode") != "1" or own.name not in ALPHA_DECODERS:
        return own
    try:
        decoder = cast(VideoCodecContext, av.CodecContext.create(ALPHA_DECODERS[own.name], "r"))
    except UnknownCodecError as error:
        raise VideoError(
            f"{path} has transparency that this build of PyAV can't decode; put it on black and export it as mp4"
        ) from error
    decoder.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
    return decoder


def find_number(frame: av.VideoFrame, times: list[int], following: int) -> int:
    """The number of a frame in the file, by its time. A frame without a time is the following one."""
    if frame.pts is None or not times:
        return following
    return max(following, bisect_left(times, frame.pts))
