"""Reading a reference clip from a video file or a folder of images, one frame at a time."""

import os
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import av
import torch
from av.container import InputContainer
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image, ImageOps
from torch import Tensor

from .errors import MotionError, OptionError, VideoError
from .pixels import to_bytes

FITS = ("crop", "pad")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
SIZE_STEP = 8  # the models' autoencoders work on blocks of 8x8 pixels
UNKNOWN_FPS = 8.0
SANE_FPS = (0.1, 240.0)
MAX_FRAMES_UNASKED = 256
MAX_SIDE = 8192
MAX_FRAME_PIXELS = 2**26
MAX_CLIP_PIXELS = 2**29  # 6 GiB as float32; 256 frames of 1920x1080 still pass

# Only containers of one file, and no network: a playlist renamed .mp4 would make the demuxer open other files.
DEMUXER_OPTIONS = {
    "format_whitelist": "mov,matroska,gif,avi",
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_FRAME_PIXELS),
}

# libswscale's bilinear + accurate_rnd + full_chroma_int + full_chroma_inp, which older bindings have no names for.
# Its default shortcuts darken every picture by one grey level of 255.
EXACT_COLOURS = 0x2 | 0x40000 | 0x2000 | 0x4000

T = TypeVar("T")


@dataclass(frozen=True)
class Clip:
    """frames: (N, H, W, 3) float32, 0..1; fps: frames a second."""

    frames: Tensor
    fps: float


@dataclass(frozen=True)
class ClipOptions:
    """Which frames of a video to take, and at which size.

    frames: how many (2..1024), None for all; start: the first source frame, 0-based; every: take each nth;
    width, height: pixels, multiples of 8, both or neither (the first frame's size, cut to multiples of 8);
    fit: "crop" cuts the middle out to the aspect, "pad" adds black bars; reversed: the picked frames, last first.
    """

    frames: int | None = None
    start: int = 0
    every: int = 1
    width: int | None = None
    height: int | None = None
    fit: str = "crop"
    reversed: bool = False

    def __post_init__(self) -> None:
        if self.frames is not None:
            check_whole("frames", self.frames, 2, 1024)
        check_whole("start", self.start, 0)
        check_whole("every", self.every, 1)
        if (self.width is None) != (self.height is None):
            raise OptionError(
                f"width={self.width} and height={self.height} go together; set both, or neither to keep the size"
            )
        for name, value in (("width", self.width), ("height", self.height)):
            if value is not None:
                check_whole(name, value, SIZE_STEP, 4096, SIZE_STEP)
        if self.fit not in FITS:
            raise OptionError(f"fit={self.fit!r} is unknown; use one of {', '.join(FITS)}")
        if not isinstance(self.reversed, bool):
            raise OptionError(f"reversed={self.reversed!r} must be true or false")


def check_whole(name: str, value: object, low: int, high: int | None = None, step: int = 1) -> None:
    """OptionError unless value is a whole number in low..high and a multiple of step."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and low <= value and (high is None or value <= high) and value % step == 0:  # type: ignore[operator]
        return
    kind = "a whole number" if step == 1 else f"a multiple of {step}"
    bounds = f"of {low} or more" if high is None else f"from {low} to {high}"
    raise OptionError(f"{name}={value!r} must be {kind} {bounds}")


def read_clip(path: str | os.PathLike[str], options: ClipOptions = ClipOptions()) -> Clip:
    """The picked frames of a video file (mp4, webm, mov, mkv, gif), or of a folder of images in natural order (8 fps).

    Decoding stops at the last picked frame, and frames that aren't picked are never kept. The rate is the file's
    average rate divided by `every`. Raises VideoError for anything that isn't a whole, sane clip of enough frames.
    """
    path = Path(path)
    check_source(path)
    decode = decode_folder if os.path.isdir(path) else decode_video
    with closing(decode(path, options)) as pictures:
        return collect_frames(pictures, options, path)


def read_still(path: str | os.PathLike[str], options: ClipOptions = ClipOptions()) -> Clip:
    """An image as a clip of one frame, at the size that the options ask for. Raises VideoError."""
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path} does not exist; give the path of an image")
    with reporting_damage(path):
        pixels = read_image(path)
    return collect_frames([(pixels, UNKNOWN_FPS)], options, path)


def take_frames(frames: Tensor, fps: float, options: ClipOptions = ClipOptions(), name: str = "the video") -> Clip:
    """As `read_clip`, of frames (N, H, W, 3) in 0..1 that are in memory already. Raises VideoError."""
    path = Path(name)
    picked = pick_frames(frames, options, path)
    return collect_frames(((to_bytes(frame), fps) for _, frame in picked), options, path)


def collect_frames(pictures: Iterable[tuple[Tensor, float]], options: ClipOptions, path: Path) -> Clip:
    """Picked frames (H, W, 3) uint8, each with the rate of all, at the size that the options ask for."""
    height, width = options.height, options.width
    fps = UNKNOWN_FPS
    frames: list[Tensor] = []
    for pixels, fps in pictures:  # noqa: B007 (the rate is the same for all)
        if not options.width:
            pixels = crop_to_blocks(pixels, path)
        height, width = height or pixels.shape[0], width or pixels.shape[1]
        check_clip_size(path, len(frames) + 1, height, width)
        frames.append(fit_frame(pixels, height, width, options.fit))
    if options.reversed:
        frames.reverse()
    return Clip(torch.stack(frames).to(torch.float32).div_(255), fps / options.every)


# ---- decoding: both generators give ((H, W, 3) uint8, fps) for each picked frame


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


def decode_folder(path: Path, options: ClipOptions) -> Generator[tuple[Tensor, float], None, None]:
    with reporting_damage(path):
        images = list_images(path)
    for _, image in pick_frames(images, options, path):
        with reporting_damage(image):
            yield read_image(image), UNKNOWN_FPS


@contextmanager
def reporting_damage(path: Path) -> Iterator[None]:
    """The one boundary where whatever the decoders raise on bad data becomes a VideoError."""
    try:
        yield
    except MotionError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise VideoError(f"{path} has frames of too many pixels; make it at most {MAX_SIDE}x{MAX_SIDE}") from error
    except OSError as error:
        raise VideoError(
            f"{path} can't be read ({error.strerror or error}); it may be damaged: export it again as mp4 or png"
        ) from error
    except Exception as error:  # the bindings raise many kinds, even plain ValueError and SyntaxError
        reason = getattr(error, "strerror", None) or error
        raise VideoError(
            f"{path} is damaged or no video ({reason}); export it again as mp4, or ask for fewer frames"
        ) from error


def pick_frames(source: Iterable[T], options: ClipOptions, path: Path) -> Iterator[tuple[int, T]]:
    """The frames that the options ask for, with their numbers in the source; stops at the last one."""
    total = picked = 0
    for number, frame in enumerate(source):
        total = number + 1
        if number < options.start or (number - options.start) % options.every:
            continue
        if options.frames is None and picked == MAX_FRAMES_UNASKED:
            raise VideoError(f"{path} has more than {MAX_FRAMES_UNASKED} frames; say how many to take (frames)")
        picked += 1
        yield number, frame
        if picked == options.frames:
            return
    check_enough(path, total, picked, options)


def check_enough(path: Path, total: int, picked: int, options: ClipOptions) -> None:
    if total == 0:
        raise VideoError(f"{path} holds no frame that can be decoded; export it again as mp4")
    if total == 1:
        raise VideoError(f"{path} holds only one frame; a motion needs at least 2, so use a longer clip")
    if picked < (options.frames or 2):
        wanted = f"{options.frames} were asked for" if options.frames else "a motion needs at least 2"
        cure = f"ask for at most {picked} frames" if picked >= 2 else "lower start or every"
        raise VideoError(
            f"{path} has {total} frames, {picked} of them with start={options.start} and every={options.every}, "
            f"but {wanted}; {cure} or use a longer clip"
        )


# ---- video files


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


# ---- folders of images


def list_images(folder: Path) -> list[Path]:
    images = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not images:
        raise VideoError(f"{folder} holds no images; put frames in it as {', '.join(IMAGE_SUFFIXES)}")
    return sorted(images, key=lambda image: (split_numbers(image.name), image.name))


def split_numbers(name: str) -> list[str | int]:
    """A sort key that puts frame2 before frame10: text and numbers by turns."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def read_image(path: Path) -> Tensor:
    """(H, W, 3) uint8, upright, transparency on black."""
    with Image.open(path) as image:
        check_frame_size(path, *image.size)
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip instead of scaling
            upright = upright.convert("I").point(lambda value: value / 256).convert("L")
        width, height = upright.size
        data = bytearray(upright.convert("RGBA").tobytes())
    return lay_on_black(torch.frombuffer(data, dtype=torch.uint8).view(height, width, 4))


# ---- pixels


def lay_on_black(pixels: Tensor) -> Tensor:
    """(H, W, 3 or 4) uint8 -> (H, W, 3) uint8."""
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    if (alpha == 255).all():  # also when there is none
        return colours
    return ((colours.to(torch.int32) * alpha + 127) // 255).to(torch.uint8)


def crop_to_blocks(pixels: Tensor, path: Path) -> Tensor:
    """(H, W, 3), both sides rounded down to multiples of 8."""
    height, width = pixels.shape[:2]
    if min(height, width) < SIZE_STEP:
        raise VideoError(f"{path} has frames of {width}x{height} pixels; use a clip of at least 8x8")
    return crop_centre(pixels, height - height % SIZE_STEP, width - width % SIZE_STEP)


def fit_frame(pixels: Tensor, height: int, width: int, fit: str) -> Tensor:
    """(H, W, 3) uint8 -> (height, width, 3) uint8, the aspect kept."""
    h, w = pixels.shape[:2]
    if fit == "crop":
        scale = min(h / height, w / width)
        return resize(crop_centre(pixels, share(height, scale), share(width, scale)), height, width)
    scale = min(height / h, width / w)
    inner_height, inner_width = share(h, scale), share(w, scale)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    padded = pixels.new_zeros(height, width, 3)
    padded[top : top + inner_height, left : left + inner_width] = resize(pixels, inner_height, inner_width)
    return padded


def share(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def crop_centre(pixels: Tensor, height: int, width: int) -> Tensor:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width].contiguous()


def resize(pixels: Tensor, height: int, width: int) -> Tensor:
    if pixels.shape[:2] == (height, width):
        return pixels
    planes = pixels.permute(2, 0, 1)[None]
    planes = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    return planes[0].permute(1, 2, 0).contiguous()


# ---- refusals


def check_source(path: Path) -> None:
    if os.path.isdir(path):
        return
    if not os.path.isfile(path):
        raise VideoError(f"{path} does not exist; give the path of a video file or of a folder of images")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise VideoError(f"{path} is a single image; a motion needs at least 2 frames, so give a video or a folder")
    if os.path.getsize(path) == 0:
        raise VideoError(f"{path} is empty; export it again, or copy it again")


def check_frame_size(path: Path, width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_FRAME_PIXELS:
        raise VideoError(f"{path} has frames of {width}x{height} pixels; make it at most {MAX_SIDE}x{MAX_SIDE}")


def check_clip_size(path: Path, frames: int, height: int, width: int) -> None:
    if frames * height * width > MAX_CLIP_PIXELS:
        raise VideoError(
            f"{path} is too long for its size ({frames} frames of {width}x{height} pixels and more would not fit into "
            f"memory); set a smaller width and height, or take fewer frames"
        )
