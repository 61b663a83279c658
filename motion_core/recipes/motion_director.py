"""MotionDirector: one adapter for the motion, beside one for the appearance that is thrown away."""

from .loss_term import ANY_REGULARISATION, ANY_SUBJECT, APPEARANCE, FRAME, LossTerm
from .optimizer_settings import OptimizerSettings
from .recipe import Recipe

MOTION_DIRECTOR = Recipe(
    name="motion_director",
    source="Zhao et al., MotionDirector, ECCV 2024, eq. 4 to 7; numbers: the published code",
    layers="temporal_transformer",
    appearance_layers="spatial_transformer",
    rank=32,
    terms=(
        LossTerm("noise_mse", data=FRAME, trains=APPEARANCE, applied=(APPEARANCE,), probability=0.8),
        LossTerm("noise_mse + appearance_debiased"),
        ANY_REGULARISATION,
        ANY_SUBJECT,
    ),
    optimizer=OptimizerSettings(steps=150, learning_rate=5e-4),
    noise="blend",
    beta=0.5,
)
"""Trained: attention and feed-forward along time, on the clip; the same within frames, on single frames of it.

As in the code, the appearance's adapter is left out of one step in five, and a part has no alpha. No dropout (the code
has 0.1).
"""
