"""Links in the file system, which Windows lets few people make."""

from pathlib import Path

import pytest


def link(path: Path, target: Path) -> None:
    """Makes a link to a file or a folder. Skips the test where the system refuses."""
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except (OSError, NotImplementedError) as reason:
        pytest.skip(f"this system makes no links ({reason})")
