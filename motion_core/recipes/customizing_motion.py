"""Customizing Motion: binds a motion that several clips share to a token, V*, and keeps what the model knows."""

import re
from dataclasses import replace

from ..diffusion.timesteps import CoarseNoise
from .loss_term import ANY_REGULARISATION, ANY_SUBJECT, LossTerm
from .optimizer_settings import OptimizerSettings
from .recipe import WEIGHTS, Recipe

TOKEN = "V*"
"""The word that the motion is bound to."""

CUSTOMIZING_MOTION = Recipe(
    name="customizing_motion",
    source="Materzynska et al., Customizing Motion in Text-to-Video Diffusion Models (NewMove), 2023, sec. 3",
    kind=WEIGHTS,
    layers="temporal + cross_kv",
    timesteps=CoarseNoise(0.5),
    terms=(LossTerm("noise_mse"), replace(ANY_REGULARISATION, required=True), ANY_SUBJECT),
    optimizer=OptimizerSettings(steps=3000, learning_rate=1e-5),
)
"""Trained: all that works along time, and k, v of the attention to the text.

No code is published; steps and learning rate are ours. Every clip has one generic caption, such as "a person doing
the V*"; the token's embedding stays as it is. Related clips without the motion, with captions of their own, are trained
on beside it, one in each step.

Motion and appearance at once: the paper says that the method extends to pictures of a subject with captions of their
own; how is ours. One picture in each step, at any noise level, changes k, v of the attention to the text and nothing
that works along time.
"""


def without_token(caption: str, token: str = TOKEN) -> str:
    """Returns a caption without the token, for a reader that does not know it.

    "a bear doing the V*" becomes "a bear".
    """
    verb = r"(?:(?:is|are)\s+)?(?:(?:doing|does|do|performing|performs|making|makes)\s+)?(?:(?:the|an?)\s+)?"
    return " ".join(re.sub(rf"\b{verb}(?<!\S){re.escape(token)}(?!\S)", "", caption).split())
