"""Motion Inversion: embeddings for the inputs of temporal attention, trained with the ordinary diffusion loss."""

from dataclasses import replace

from ..diffusion.timesteps import Uniform
from .loss_term import ANY_REGULARISATION, LossTerm
from .optimizer_settings import OptimizerSettings
from .recipe import EMBEDDING, Recipe

OFFICIAL = Recipe(
    name="motion_inversion",
    source="Motion Inversion's published code, configs/config.yaml",
    preset="official",
    kind=EMBEDDING,
    terms=(LossTerm("noise_mse"), ANY_REGULARISATION),
    optimizer=OptimizerSettings(steps=400, learning_rate=2e-2),
)
PAPER = replace(
    OFFICIAL,
    source="Motion Inversion (Wang et al. 2024), implementation details",
    preset="paper",
    optimizer=OptimizerSettings(steps=800, learning_rate=5e-2),
)
CAMERA = replace(
    OFFICIAL,
    source="Motion Inversion's published code: the debiased loss for camera motion, applied without the value "
    "embedding",
    preset="camera",
    terms=(LossTerm("noise_mse+appearance_debiased"), ANY_REGULARISATION),
    optimizer=OptimizerSettings(steps=200, learning_rate=2e-2),
    apply={"strength_v": 0.0},
)
FAST = replace(
    OFFICIAL,
    source="ours: few steps at a high rate, with clipped gradients and averaged weights",
    preset="fast",
    optimizer=OptimizerSettings(steps=200, learning_rate=0.15, steady=True),
    fast_kernels=True,
)
"""On the starter model it gives as much motion as 500 steps at 0.05 in less than half the time, see
docs/measurements.md.
"""
STARTER = replace(
    FAST,
    source="ours, for the starter model, see docs/measurements.md",
    preset="starter",
    sites="all",
    memory="fast",
    timesteps=Uniform(500, 1000),
    colourings=12,
    apply={"debias": "mean", "branches": "conditional", "strength_v": 1.5, "end": 0.35},
)
WAN_STARTER = replace(
    STARTER,
    source="ours, for the Wan-shaped starter model, see docs/measurements.md",
    preset="wan_starter",
    optimizer=OptimizerSettings(steps=600, learning_rate=0.02, steady=True),
    sites="early",
    timesteps=Uniform(150, 700),
    apply={"debias": "mean", "branches": "both", "strength_v": 1.3, "end": 0.75},
)
WAN = replace(
    WAN_STARTER,
    source="ours: the numbers of the Wan-shaped starter model, with a value embedding that stays small on a real one",
    preset="wan",
    grid=6,
    fast_kernels=False,
    memory="auto",
)
MOTION_INVERSION = {recipe.preset: recipe for recipe in (OFFICIAL, PAPER, CAMERA, FAST, STARTER, WAN, WAN_STARTER)}
