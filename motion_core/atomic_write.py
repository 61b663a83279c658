"""Atomic writing: a file is written completely or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import FileError, MotionError


@contextmanager
def replacing(
    path: str | os.PathLike[str],
    error: type[MotionError] = FileError,
    failures: tuple[type[Exception], ...] = (OSError,),
) -> Iterator[Path]:
    """Yields a temporary path in the same folder, and moves that file to `path` when the block succeeds.

    If the block fails, the temporary file is deleted and an older file at `path` stays. Turns `failures` into `error`.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
    except failures as reason:
        cause = getattr(reason, "strerror", None) or reason
        raise error(
            f"{target} can't be written ({cause}); check that its folder exists, is writable and has free space, and "
            "that no other program has the file open"
        ) from reason
    finally:
        if temporary is not None:
            with suppress(OSError):  # Windows deletes no file that is open, and the first error says more
                temporary.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file atomically. Raises FileError."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _flush(path: Path) -> None:
    """Syncs the file to disk, and gives it the permissions of a new file instead of those of a temporary one."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
