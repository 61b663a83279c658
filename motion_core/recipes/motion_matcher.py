"""MotionMatcher: the clip's attention maps are the target instead of its pixels."""

from ..diffusion.timesteps import Uniform
from .loss_term import ANY_REGULARISATION, ANY_SUBJECT, FEATURES, LossTerm
from .optimizer_settings import OptimizerSettings
from .recipe import Recipe

MOTION_MATCHER = Recipe(
    name="motion_matcher",
    source="Wu et al., MotionMatcher, 2025, eq. 4 to 7; numbers and weights: the published code",
    layers="temporal_transformer + spatial",
    rank=32,
    terms=(LossTerm(FEATURES), ANY_REGULARISATION, ANY_SUBJECT),
    timesteps=Uniform(500, 1000),
    optimizer=OptimizerSettings(steps=400, learning_rate=5e-4),
    memory="low",
    apply={"end": 0.5},
    noise="blend",
    beta=0.3,
)
"""Trained: attention and feed-forward along time and within frames. Applied only where t >= 500.

The adapter is on or off for a whole forward, and checkpointing computes that forward again in the same state; the
published code sets a scale on the modules, which backward then reads in another state. Maps are compared as in the code
(mean squared difference, times 2000 each); the paper sums, and squares the weight. No dropout (the code has 0.1).
"""
