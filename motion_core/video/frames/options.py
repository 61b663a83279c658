"""The options for reading a clip: which frames, and at which size."""

from dataclasses import dataclass

from ...errors import OptionError

FITS = ("crop", "pad")
SIZE_STEP = 8  # the models' autoencoders work on blocks of 8x8 pixels


@dataclass(frozen=True)
class ClipOptions:
    """Which frames of a video to read, and at which size. Raises OptionError.

    frames: how many (2..1024), None for all; start: the first frame, 0-based; every: read every nth frame;
    width, height: pixels, multiples of 8, or both None for the first frame's size cropped to multiples of 8;
    fit: `crop` crops the centre to the aspect, `pad` adds black bars; reversed: the selected frames in reverse order.
    Frames are counted at the clip's mean rate: in a file of variable frame rate, some count more than once and others
    not at all.
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
                check_whole(name, value, SIZE_STEP, 4096, step=SIZE_STEP)
        if self.fit not in FITS:
            raise OptionError(f"fit={self.fit!r} is unknown; use one of {', '.join(FITS)}")
        if not isinstance(self.reversed, bool):
            raise OptionError(f"reversed={self.reversed!r} must be true or false")


def check_whole(name: str, value: object, low: int, high: int | None = None, *, step: int = 1) -> None:
    """Raises OptionError unless value is a whole number in low..high and a multiple of step."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and low <= value and (high is None or value <= high) and value % step == 0:  # type: ignore[operator]
        return
    kind = "a whole number" if step == 1 else f"a multiple of {step}"
    bounds = f"of {low} or more" if high is None else f"from {low} to {high}"
    raise OptionError(f"{name}={value!r} must be {kind} {bounds}")


ALL_FRAMES = ClipOptions()
