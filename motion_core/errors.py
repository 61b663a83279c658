"""The one family of errors. Each message is a sentence that says what, which value, and what to do."""

from .printable import one_line


class MotionError(Exception):
    """Something a person can put right; its text is meant for them.

    It may quote names and values of files that nobody knows, so it is kept to one printable line.
    """

    def __init__(self, message: str = ""):
        super().__init__(one_line(str(message)))


class OptionError(MotionError, ValueError):
    """An option is out of range or of the wrong kind."""


class VideoError(MotionError):
    """A reference clip can't be read or a result can't be written."""


class FileError(MotionError):
    """A motion's file is damaged, of another kind, or can't be written."""


class ModelError(MotionError):
    """A model is incomplete, of another architecture, or does not fit the motion."""


class MemoryShortage(MotionError):
    """The work did not fit into memory; the text names the setting that lowers the need."""


def first_line(error: BaseException) -> str:
    """What an error says in one line, for a sentence of ours."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
