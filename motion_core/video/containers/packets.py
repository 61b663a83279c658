"""A scan of a video file's packets: when its frames are shown, and whether the file is complete."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from .gif import scan_gif
from .matroska import scan_matroska
from .timing import PLAUSIBLE_FPS, UNKNOWN_FPS, Timeline, build_timeline

NOT_CODED = 8  # bytes; an MPEG-4 packet this short only stands in for a frame that was stored earlier


@dataclass(frozen=True)
class PacketScan:
    """times: when each frame is shown, in ticks, ascending; empty if frames are stored in order without times.

    count: how many frames are intact; complete: whether nothing is damaged or missing after them.
    """

    timeline: Timeline
    times: list[int]
    count: int
    complete: bool


def scan_packets(container: InputContainer, stream: VideoStream, path: Path) -> PacketScan:
    """Reads all packets up to the first damaged one. Decodes nothing."""
    if container.format.name == "gif":
        delays, complete = scan_gif(path.read_bytes())
        return PacketScan(build_timeline(delays), [], len(delays), complete)
    ends: dict[int, int] = {}  # start of a frame -> its end
    untimed, packets, finish, complete = 0, 0, Fraction(0), True
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                finish = max(finish, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream.index != stream.index or not packet.size:
                continue
            packets += 1
            complete = not packet.is_corrupt
            if not complete:
                break
            if packet.is_discard or not is_shown(stream.codec_context.name, bytes(packet)):
                continue
            time = packet.pts if packet.pts is not None else packet.dts
            untimed += packet.pts is None
            if time is not None:
                ends[time] = time + (packet.duration or 0)
    except (av.FFmpegError, OSError, ValueError):
        complete = False
    nominal_fps = read_rate(stream)
    times = [] if untimed else sorted(ends)
    tick = stream.time_base or Fraction(0)
    count = len(times) or untimed
    starts = [time * tick for time in times] or [number / nominal_fps for number in range(count)]
    last_duration = (ends[times[-1]] - times[-1]) * tick if times else 1 / nominal_fps
    length = Fraction(container.duration or 0, av.time_base)
    complete = complete and finish + 2 / nominal_fps >= Fraction(95, 100) * length
    complete = complete and has_all_packets(path, container, stream.index, packets)
    return PacketScan(Timeline(starts, last_duration, nominal_fps, tick), times, count, complete)


def has_all_packets(path: Path, container: InputContainer, index: int, packets: int) -> bool:
    """Whether the container is intact and the demuxer found all its packets of a stream. index: of that stream."""
    if container.format.name.startswith("matroska"):
        scan = scan_matroska(path)
        return scan is None or (scan.complete and (scan.laced or packets in scan.blocks.values()))
    announced = container.streams[index].frames if "mov" in container.format.name else 0
    return packets >= announced and ("mov" not in container.format.name or has_all_boxes(path))


def has_all_boxes(path: Path) -> bool:
    """Whether an mp4's boxes fill its file and none is cut off."""
    size, offset = path.stat().st_size, 0
    with path.open("rb") as file:
        while offset + 8 <= size:
            file.seek(offset)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:], "big")
            elif length == 0:  # to the end of the file
                return True
            if length < 8:
                return False
            offset += length
    return offset <= size  # some programs append a few bytes of their own


def read_rate(stream: VideoStream) -> Fraction:
    """Frames per second in the file's header; 8 if that is implausible."""
    fps = stream.average_rate or Fraction(0)
    return fps if PLAUSIBLE_FPS[0] <= fps <= PLAUSIBLE_FPS[1] else Fraction(UNKNOWN_FPS)


def is_shown(codec: str, data: bytes) -> bool:
    """False for a packet without a frame of its own to show."""
    if codec in ("vp8", "libvpx"):
        return bool(data[0] & 0x10)
    return not (codec == "mpeg4" and len(data) <= NOT_CODED)
