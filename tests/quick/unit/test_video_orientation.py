"""The orientation of videos and images."""

import struct
from pathlib import Path

import pytest
import torch
from clip_files import encode_video
from PIL import Image

from motion_core.video.reading import read_clip


def tag_rotation(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Writes a display matrix to an mp4's track header, as fixed point of 16.16 and 2.30."""
    data = path.read_bytes()
    plain, turned = (
        struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        for a, b, c, d in ((1, 0, 0, 1), matrix)
    )
    assert data.count(plain) == 2  # in the movie header, then in the track header
    head, tail = data.rsplit(plain, 1)
    path.write_bytes(head + turned + tail)


# a b c d of the matrix -> where ffmpeg shows the corners 0 1 / 2 3 of the file
ORIENTATIONS = {
    (1, 0, 0, 1): [[0, 1], [2, 3]],
    (-1, 0, 0, 1): [[1, 0], [3, 2]],
    (1, 0, 0, -1): [[2, 3], [0, 1]],
    (-1, 0, 0, -1): [[3, 2], [1, 0]],
    (0, 1, -1, 0): [[2, 0], [3, 1]],
    (0, -1, 1, 0): [[1, 3], [0, 2]],
    (0, 1, 1, 0): [[0, 2], [1, 3]],
    (0, -1, -1, 0): [[3, 1], [2, 0]],
}


@pytest.mark.parametrize("matrix, shown", ORIENTATIONS.items(), ids=str)
def test_rotated_and_mirrored_clips_are_read_upright(tmp_path, matrix, shown):
    frames = torch.zeros(3, 32, 64, 3)
    for corner in range(4):
        frames[:, corner // 2 * 16 :, corner % 2 * 32 :] = corner * 80 / 255
    frames[:, :16, 32:] = 80 / 255
    frames[:, 16:, :32] = 160 / 255
    path = encode_video(tmp_path / "turned.mp4", frames)
    if matrix != (1, 0, 0, 1):
        tag_rotation(path, matrix)
    upright = read_clip(path).frames[0, :, :, 0]
    assert upright.shape == ((32, 64) if matrix[0] else (64, 32))
    height, width = upright.shape
    quarters = upright[height // 4 :: height // 2, width // 4 :: width // 2]
    assert (quarters * 255 / 80).round().tolist() == shown


def test_exif_orientation_is_applied(tmp_path):
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate clockwise to display
    for number in range(2):
        image = Image.new("RGB", (64, 32))
        image.paste((255, 255, 255), (0, 0, 16, 16))
        image.save(tmp_path / "images" / f"{number}.jpg", exif=exif, quality=95)
    frames = read_clip(tmp_path / "images").frames
    assert frames.shape == (2, 64, 32, 3)
    assert frames[0, 4, 28, 0] > 0.9 and frames[0, 4, 4, 0] < 0.1
