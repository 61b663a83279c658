"""One of the losses of a training step."""

from __future__ import annotations

from dataclasses import dataclass

from ..diffusion.objectives import OBJECTIVES, parse_objective
from ..diffusion.timesteps import TimestepSampler, Uniform
from ..errors import OptionError
from ..options import option

CLIP, FRAME, REGULARISATION, SUBJECT = "clip", "frame", "regularisation", "subject"
DATA = (CLIP, FRAME, REGULARISATION, SUBJECT)
MOTION, APPEARANCE, SPATIAL = "motion", "appearance", "spatial"
FEATURES = "attention_feature_match"


@dataclass(frozen=True)
class LossTerm:
    """A loss, what it is computed on and what it changes. Raises OptionError.

    objective: a sum as in `motion_core.diffusion.objectives`, or `attention_feature_match`.
    data: `clip`, a reference clip; `frame`, one frame of that clip under the same noise; `regularisation`, a clip
    without the motion; `subject`, a picture.
    trains: `motion`; `appearance`, an adapter beside it that is thrown away; `spatial`, the motion's parts that work
    within frames.
    applied: which of `motion` and `appearance` are attached in the forward.
    timesteps: where it is computed, None for the recipe's.
    probability: of taking part in a step. What no loss of a step trains by its own term is not applied in it.
    required: whether training refuses to start without such data.
    """

    objective: str = option(
        "noise_mse",
        choices=OBJECTIVES,
        about="The loss on the reference clip. On the command line also a sum: noise_mse+0.5*appearance_debiased.",
        metavar="NAME",
    )
    data: str = CLIP
    trains: str = MOTION
    applied: tuple[str, ...] = (MOTION, APPEARANCE)
    timesteps: TimestepSampler | None = None
    probability: float = 1.0
    required: bool = False

    def __post_init__(self) -> None:
        if self.objective != FEATURES:
            parse_objective(self.objective)
        if self.data not in DATA:
            raise OptionError(f"data is {self.data!r}; use one of {', '.join(DATA)}")
        if not 0 < self.probability <= 1:
            raise OptionError(f"probability is {self.probability}; choose above 0 and up to 1")


ANY_REGULARISATION = LossTerm(data=REGULARISATION)
"""Clips without the motion are trained on beside it, one in each step, where there are any."""

ANY_SUBJECT = LossTerm(data=SUBJECT, trains=SPATIAL, timesteps=Uniform(0, 1000))
"""Pictures of a subject, one in each step, at all noise levels, since the fine ones decide appearance too (ours)."""
