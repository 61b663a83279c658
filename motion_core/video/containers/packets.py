"""A look through a video file's packets, which tell when its frames are shown before any is decoded."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from .gif import survey_gif
from .matroska import survey_matroska
from .timing import SANE_FPS, UNKNOWN_FPS, Timeline, lay_out

NOT_CODED = 8  # bytes; MPEG-4 stands an empty picture in for one that was stored earlier


@dataclass(frozen=True)
class Survey:
    """times: when each frame is shown, in ticks, ascending, or empty where they come in order of their numbers.

    count: the frames that are whole; whole: nothing is damaged or cut off after them.
    """

    timeline: Timeline
    times: list[int]
    count: int
    whole: bool


def survey_packets(container: InputContainer, stream: VideoStream, path: Path) -> Survey:
    """Reads the whole file, up to where it is damaged, and decodes nothing."""
    if container.format.name == "gif":
        delays, whole = survey_gif(path.read_bytes())
        return Survey(lay_out(delays), [], len(delays), whole)
    ends: dict[int, int] = {}  # when a frame is shown -> until when
    untimed, taken, finish, whole = 0, 0, Fraction(0), True
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                finish = max(finish, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream.index != stream.index or not packet.size:
                continue
            taken += 1
            whole = not packet.is_corrupt
            if not whole:
                break
            if packet.is_discard or not is_shown(stream.codec_context.name, bytes(packet)):
                continue
            time = packet.pts if packet.pts is not None else packet.dts
            untimed += packet.pts is None
            if time is not None:
                ends[time] = time + (packet.duration or 0)
    except (av.FFmpegError, OSError, ValueError):
        whole = False
    told = read_rate(stream)
    times = [] if untimed else sorted(ends)
    tick = stream.time_base or Fraction(0)
    count = len(times) or untimed
    starts = [time * tick for time in times] or [number / told for number in range(count)]
    last = (ends[times[-1]] - times[-1]) * tick if times else 1 / told
    length = Fraction(container.duration or 0, av.time_base)
    whole = whole and finish + 2 / told >= Fraction(95, 100) * length
    whole = whole and holds_all(path, container, stream.index, taken)
    return Survey(Timeline(starts, last, told, tick), times, count, whole)


def holds_all(path: Path, container: InputContainer, number: int, taken: int) -> bool:
    """Whether the container is unbroken and the demuxer took all frames that are in it. number: of the stream."""
    if container.format.name.startswith("matroska"):
        held = survey_matroska(path)
        return held is None or (held.whole and (held.laced or taken in held.blocks.values()))
    promised = container.streams[number].frames if "mov" in container.format.name else 0
    return taken >= promised and ("mov" not in container.format.name or has_all_boxes(path))


def has_all_boxes(path: Path) -> bool:
    """Whether an mp4's boxes fill its file and none is cut off."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:], "big")
            elif length == 0:  # to the end of the file
                return True
            if length < 8:
                return False
            place += length
    return place <= size  # programs put a few bytes of their own at the end


def read_rate(stream: VideoStream) -> Fraction:
    """Frames a second that the file tells; 8 where that is absurd."""
    fps = stream.average_rate or Fraction(0)
    return fps if SANE_FPS[0] <= fps <= SANE_FPS[1] else Fraction(UNKNOWN_FPS)


def is_shown(codec: str, data: bytes) -> bool:
    """False for a packet that holds no picture of its own to show."""
    if codec in ("vp8", "libvpx"):
        return bool(data[0] & 0x10)
    return not (codec == "mpeg4" and len(data) <= NOT_CODED)
