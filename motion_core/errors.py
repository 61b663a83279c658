"""All errors that this project raises. A message is one sentence: what is wrong, which value, what to do."""

from .printable import one_line


class MotionError(Exception):
    """An error that the user can correct. Its message is meant for the user.

    A message may quote names and values from unknown files, so it is reduced to one printable line.
    """

    def __init__(self, message: str = ""):
        super().__init__(one_line(str(message)))


class OptionError(MotionError, ValueError):
    """An option is out of range or of the wrong kind."""


class VideoError(MotionError):
    """A reference clip can't be read, or a result can't be written."""


class FileError(MotionError):
    """A motion file is damaged, of another format, or can't be written."""


class ModelError(MotionError):
    """A model is incomplete, of another architecture, or does not fit the motion."""


class MemoryShortage(MotionError):
    """The work does not fit into memory. The message names the setting that needs less."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class name, for use in another message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
