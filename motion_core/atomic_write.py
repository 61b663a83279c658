"""Files are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import FileError, MotionError


@contextmanager
def replacing(
    path: str | os.PathLike[str],
    error: type[MotionError] = FileError,
    failures: tuple[type[Exception], ...] = (OSError,),
) -> Iterator[Path]:
    """Gives a scratch path beside `path`, and puts it in its place when the block ends well.

    Otherwise the scratch file goes and what stood at `path` stays. Raises `error` in place of `failures`.
    """
    target = Path(path)
    scratch: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        scratch = Path(name)
        yield scratch
        _settle(scratch)
        os.replace(scratch, target)
    except failures as reason:
        said = getattr(reason, "strerror", None) or reason
        raise error(
            f"{target} can't be written ({said}); check that its folder exists, may be written to and has room"
        ) from reason
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, whole or not at all. Raises FileError."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)


def _settle(path: Path) -> None:
    """Hand the bytes to the disk and give the file the rights a new file gets (a scratch file has its owner's only)."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
