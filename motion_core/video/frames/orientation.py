"""The orientation of a video: quarter turns and mirroring from its display matrix."""

import struct
from typing import Any

import av
import torch
from torch import Tensor


def turn_upright(pixels: Tensor, frame: av.VideoFrame) -> Tensor:
    """Turns and mirrors (H, W, 3) by the frame's display matrix: (H, W, 3) or (W, H, 3)."""
    across, down_by_column, across_by_row, down = read_matrix(frame)
    if abs(across) + abs(down) < abs(down_by_column) + abs(across_by_row):  # columns become rows
        pixels = pixels.transpose(0, 1)
        across, down = across_by_row, down_by_column
    mirrored = [axis for axis, sign in ((0, down), (1, across)) if sign < 0]
    return torch.flip(pixels, mirrored) if mirrored else pixels


def read_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of the display matrix: column x, row y are shown at column a x + c y, row b x + d y."""
    try:
        side_data: list[Any] = list(frame.side_data)  # type: ignore[call-overload]
    except ValueError:  # the frame has a kind of side data that the binding does not know
        turns = round(frame.rotation / 90) % 4  # quarter turns, counterclockwise
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[turns]
    found = [data for data in side_data if data.type.name == "DISPLAYMATRIX"]
    if not found:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(found[0]))
    return a, b, c, d
