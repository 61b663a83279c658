"""Customizing Motion: bind a motion that several clips share to a token, V*, and keep the rest of what is known."""

from ..diffusion.timesteps import CoarseNoise
from ..training.loop import Descent
from .recipe import Recipe

CUSTOMIZING_MOTION = Recipe(
    name="customizing_motion",
    source="Materzynska et al., Customizing Motion in Text-to-Video Diffusion Models (NewMove), 2023, sec. 3",
    layers="temporal + cross_kv",
    kind="weights",
    timesteps=CoarseNoise(0.5),
    descent=Descent(steps=3000, learning_rate=1e-5),
    regularised=True,
)
"""Trained: all that works along time, and k, v of the attention to the text.

No code is published; steps and learning rate are ours. Every clip has one generic caption, such as "a person doing
the V*"; the token's embedding stays as it is. Related clips without the motion, with captions of their own, are learnt
beside it, one in each step.

Motion and looks at once: pictures of a subject, single frames with captions of their own, are learnt too. That the
method extends to this is the paper's; how is ours: one picture in each step, at any noise level, changes k, v of the
attention to the text and nothing that works along time.
"""
