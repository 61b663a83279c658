"""MotionMatcher: ask for the reference's attention maps instead of its pixels."""

from ..diffusion.timesteps import Uniform
from ..training.loop import Descent
from .recipe import FEATURES, Recipe

MOTION_MATCHER = Recipe(
    name="motion_matcher",
    source="Wu et al., MotionMatcher, 2025, eq. 4 to 7; numbers and weights: the published code",
    layers="temporal_transformer + spatial",
    rank=32,
    objective=FEATURES,
    timesteps=Uniform(500, 1000),
    descent=Descent(steps=400, learning_rate=5e-4),
    apply={"end": 0.5},
    noise="blend",
    beta=0.3,
    memory="low",
)
"""Trained: attention and feed-forward along time and within frames. Applied only where t >= 500.

The adapter is on or off for a whole forward, and what it was then holds when checkpointing computes that forward again;
the published code sets a scale on the modules, which backward then sees in another state. Maps are compared as in the
code (mean squared difference, times 2000 each); the paper sums, and squares the weight. No dropout (the code: 0.1).
"""
