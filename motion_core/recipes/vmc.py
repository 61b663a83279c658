"""VMC: teach temporal attention how the frames' differences point."""

from ..training.loop import Descent
from .recipe import Recipe

VMC = Recipe(
    name="vmc",
    source="Jeong, Park and Ye, Video Motion Customization, CVPR 2024, eq. 13; numbers: the published code",
    layers="temporal_qkv",
    kind="weights",
    objective="frame_residual_cosine",
    descent=Descent(steps=400, learning_rate=1e-4, clip_norm=1.0),
    noise="inversion",
)
"""Trained: q, k, v of temporal attention, whole; `kind=low_rank` is smaller. `frame_residual_l2` is the other loss.

The paper aligns the residual of a pair of frames as one vector over (C, H, W); the published code takes a cosine along
the channels at each pixel. Ours is the paper's. The code's weight decay pulls weights to zero, ours to the model's.
The prompt of the reference leaves out place and style, so that only the motion is left to be learnt; sampling starts
from the inverted reference (75 steps).
"""
