"""VMC: temporal attention is trained on the direction of the differences between frames."""

from .loss_term import ANY_REGULARISATION, ANY_SUBJECT, LossTerm
from .optimizer_settings import OptimizerSettings
from .recipe import WEIGHTS, Recipe

VMC = Recipe(
    name="vmc",
    source="Jeong, Park and Ye, Video Motion Customization, CVPR 2024, eq. 13; numbers: the published code",
    kind=WEIGHTS,
    layers="temporal_qkv",
    terms=(LossTerm("frame_residual_cosine"), ANY_REGULARISATION, ANY_SUBJECT),
    optimizer=OptimizerSettings(steps=400, learning_rate=1e-4, clip_norm=1.0),
    noise="inversion",
)
"""Trained: q, k, v of temporal attention, whole; `kind=low_rank` is smaller. `frame_residual_l2` is the other loss.

The paper aligns the residual of a pair of frames as one vector over (C, H, W); the published code takes a cosine along
the channels at each pixel. Ours is the paper's. The code's weight decay pulls weights to zero, ours to the model's.
The prompt of the reference leaves out place and style, so that only the motion is left to be learnt. Sampling starts
from the inverted reference (75 steps).
"""
