"""Clips and video files for tests."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from PIL import Image
from torch import Tensor

from motion_core.errors import VideoError
from motion_core.video.frames.options import ClipOptions
from motion_core.video.reading import Clip, read_clip

CODING_LOSS = 3.5  # grey levels of 255


def count_up(frames: int = 12, height: int = 48, width: int = 64, step: int = 20) -> Tensor:
    """(N, H, W, 3): frame n is uniformly grey, of level n * step."""
    return (torch.arange(frames) * step / 255).view(-1, 1, 1, 1).expand(-1, height, width, 3).contiguous()


def draw_noise(frames: int = 12, height: int = 48, width: int = 64) -> Tensor:
    """Frames that compress badly, so that a file that is cut off loses some of them."""
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(0))


def read_numbers(clip: Clip, step: int = 20) -> list[int]:
    """The numbers of frames of `count_up`, from the pixel in the middle of each."""
    levels = clip.frames[:, clip.frames.shape[1] // 2, clip.frames.shape[2] // 2].mean(-1) * 255
    numbers = (levels / step).round()
    assert (levels - numbers * step).abs().max() <= CODING_LOSS
    return numbers.int().tolist()


def write_images(folder: Path, frames: Tensor, suffix: str = ".png") -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray((frame * 255).round().byte().numpy()).save(folder / f"frame{number}{suffix}")
    return folder


def encode_video(path: Path, frames: Tensor, codec: str = "libx264", times: list[int] | None = None, **kind) -> Path:
    """Writes a video without the code under test.

    times: of the frames, in 1/24 s; kind: end (of the last frame, in 1/24 s), title, sound (seconds), pixels (the pixel
    format), and options of the file.
    """
    sound, title, end, pixels = (kind.pop(key, None) for key in ("sound", "title", "end", "pixels"))
    with av.open(str(path), "w", **kind) as container:
        container.metadata["title"] = title or ""
        stream = container.add_stream(codec, rate=24, options={"bf": "0"})  # B-frames would reorder the times
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels or "yuv420p"
        stream.codec_context.time_base = Fraction(1, 24)
        if sound:
            add_sound(container, sound)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray((frame * 255).round().byte().numpy())
            picture.pts = times[number] if times else number * 3
            picture.time_base = Fraction(1, 24)
            container.mux(last_until(stream.encode(picture), times, end))
        container.mux(last_until(stream.encode(None), times, end))
    return path


def last_until(packets: list[av.Packet], times: list[int] | None, end: int | None) -> list[av.Packet]:
    """The packets, with durations if the end of the last frame is given."""
    for packet in packets:
        if times and end is not None:
            packet.duration = int(min([time for time in [*times, end] if time > packet.pts]) - packet.pts)
    return packets


def add_sound(container: av.container.OutputContainer, seconds: int) -> None:
    stream = container.add_stream("aac", rate=16000)
    silence = av.AudioFrame.from_ndarray(torch.zeros(1, 16000 * seconds).numpy(), format="fltp", layout="mono")
    silence.sample_rate = 16000
    container.mux([*stream.encode(silence), *stream.encode(None)])


def refusal(path: Path, **options) -> str:
    """The sentence with which the file is refused."""
    with pytest.raises(VideoError) as caught:
        read_clip(path, ClipOptions(**options))
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence
    return sentence
