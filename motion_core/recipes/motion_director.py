"""MotionDirector: one adapter for the motion, beside one for the looks that is thrown away."""

from ..training.loop import Descent
from .recipe import Recipe

MOTION_DIRECTOR = Recipe(
    name="motion_director",
    source="Zhao et al., MotionDirector, ECCV 2024, eq. 4 to 7; numbers: the published code",
    layers="temporal_transformer",
    looks="spatial_transformer",
    rank=32,
    objective="noise_mse + appearance_debiased",
    descent=Descent(steps=150, learning_rate=5e-4),
    noise="blend",
    beta=0.5,
)
"""Trained: attention and feed-forward along time, on the clip; the same within frames, on single frames of it.

As in the code, the looks' adapter rests in one step of five, and a part has no alpha. No dropout (the code: 0.1).
"""
