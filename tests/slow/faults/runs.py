"""Everything that runs a model for long, on tiny material, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from motion_core.recipes.learn_config import LearnConfig
from motion_core.training.adapter_learning import fit_adapter
from torch import Tensor

from motion_core.diffusion.denoiser import Denoiser
from motion_core.guidance.methods import find_method, prepare_guidance
from motion_core.models.families import find_sites, recognize
from motion_core.models.layers import select_layers
from motion_core.motions.adapter import Adapter
from motion_core.motions.embedding import MotionEmbedding
from motion_core.recipes.catalogue import RECIPES, find_recipe
from motion_core.sampling.sample import AdaptConfig, Applied, AppliedAdapter, AppliedMotion, ApplyConfig, invert, sample
from motion_core.training.early_stop import AppearanceStop, StopSettings
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.train import fit, measure_grids
from tests.conftest import seeded

FRAMES, STEPS = 3, 2
Update = Callable[..., None]
Run = Callable[[Denoiser, Update], Sequence[Tensor]]
"""Runs a model and gives what came of it. The update is called after each step."""

LATENTS, NOISE = (seeded(1, 4, FRAMES, 8, 8, seed=seed) for seed in (0, 7))
TEXT, NEGATIVE = (seeded(1, 5, 16, seed=seed) for seed in (1, 2))
SUBJECT = Example(LATENTS[:, :, :1], TEXT)


def learn(denoiser: Denoiser, update: Update, colourings: int = 1, **changes: Any) -> Sequence[Tensor]:
    config = LearnConfig(**{"steps": STEPS, "memory": "fast", **changes})
    latents = LATENTS.repeat(colourings, 1, 1, 1, 1)
    learnt = fit(denoiser, latents, TEXT, config, update, validated=update)
    return learnt.embedding.parameters


def learn_adapter(denoiser: Denoiser, update: Update, name: str, subject: bool = False, **changes: Any):
    recipe = find_recipe(name).changed(**{"steps": 1, "learning_rate": 1e-2, "rank": 2, **changes})
    other = Example(LATENTS.flip(2), NEGATIVE)
    references = ReferenceSet([Example(LATENTS, TEXT)], [other], [SUBJECT] if subject else [])
    return fit_adapter(denoiser, references, recipe, callback=update).adapter.parameters


def learn_until_it_looks_wrong(denoiser: Denoiser, update: Update) -> Sequence[Tensor]:
    """With a preview sampled after each step."""

    def score(adapter: Adapter) -> float:
        made = sample(denoiser, NOISE, TEXT, NEGATIVE, [AppliedAdapter(adapter)], 2, progress=update)
        return -float(made.square().mean().tanh())

    recipe = find_recipe("vmc").changed(steps=2, learning_rate=1e-2)
    stop = AppearanceStop(StopSettings(every=1), score)
    return fit_adapter(denoiser, ReferenceSet([Example(LATENTS, TEXT)]), recipe, 0, update, stop).adapter.parameters


def make_embedding(denoiser: Denoiser) -> MotionEmbedding:
    """Of every site, nowhere zero."""
    sites = find_sites(denoiser.module)
    grids = measure_grids(denoiser, sites, LATENTS, TEXT)
    zeros = MotionEmbedding.zeros(recognize(denoiser.module).family.name, sites, grids, FRAMES)
    return zeros.map(*[lambda _, tensor: seeded(*tensor.shape)] * 2)


def make_adapter(denoiser: Denoiser) -> Adapter:
    layers = select_layers(recognize(denoiser.module).list_layers(), "temporal_transformer")
    adapter = Adapter.low_rank(
        recognize(denoiser.module).family.name, [layer for layer in layers if len(layer.shape) == 2], 2
    )
    for number, tensor in enumerate(adapter.parameters):
        tensor.data.copy_(0.1 * seeded(*tensor.shape, seed=number))
    return adapter


def sample_under(denoiser: Denoiser, update: Update, motions: Callable[[Denoiser], list[Applied]]) -> list[Tensor]:
    return [sample(denoiser, NOISE, TEXT, NEGATIVE, motions(denoiser), STEPS, progress=update)]


def apply_motion(denoiser: Denoiser, **changes: Any) -> list[Applied]:
    return [AppliedMotion(make_embedding(denoiser), ApplyConfig(**changes))]


def apply_adapter(denoiser: Denoiser, **changes: Any) -> list[Applied]:
    return [AppliedAdapter(make_adapter(denoiser), AdaptConfig(**changes))]


def apply_both(denoiser: Denoiser) -> list[Applied]:
    return apply_motion(denoiser, branches="conditional") + apply_adapter(denoiser, branches="conditional", end=0.7)


def guide(denoiser: Denoiser, update: Update, method: str, **changes: Any) -> list[Tensor]:
    config = find_method(method).configure(start=0.0, end=1.0, **changes)
    steering = prepare_guidance(denoiser, LATENTS, TEXT, config, denoiser.schedule.timesteps(STEPS), update)
    return [sample(denoiser, NOISE, TEXT, NEGATIVE, (), STEPS, progress=update, steering=steering)]


def run_backwards(denoiser: Denoiser, update: Update) -> list[Tensor]:
    return [invert(denoiser, LATENTS, TEXT, STEPS, update)]


RUNS: dict[str, Run] = {
    **{f"learning with memory {mode}": partial(learn, memory=mode) for mode in ("auto", "fast", "balanced", "low")},
    "learning with memory lowest": partial(learn, memory="lowest", sites="all"),
    "learning from a pool": partial(learn, pool=2),
    "learning with an early stop": partial(learn, early_stop=True),
    "learning with averages": partial(learn, steady=True, memory="balanced"),
    "learning with averages and an early stop": partial(learn, steady=True, early_stop=True, pool=1),
    "learning with fast kernels": partial(learn, fast_kernels=True, memory="low"),
    "learning from colourings": partial(learn, colourings=2, layout="paper"),
    **{f"{name} by its own memory": partial(learn_adapter, name=name) for name in RECIPES},
    "customizing_motion with a subject": partial(learn_adapter, name="customizing_motion", subject=True, memory="low"),
    "vmc with previews": learn_until_it_looks_wrong,
    "sampling with a motion": partial(sample_under, motions=apply_motion),
    "sampling with an adapter": partial(sample_under, motions=apply_adapter),
    "sampling with both in one branch": partial(sample_under, motions=apply_both),
    "dmt": partial(guide, method="dmt", optimisation_steps=1),
    "dmt with memory low": partial(guide, method="dmt", optimisation_steps=1, memory="low", block="up_blocks.2"),
    "motion_clone": partial(guide, method="motion_clone"),
    "motion_clone with memory low": partial(guide, method="motion_clone", memory="low"),
    "inversion": run_backwards,
}
STEERED = {name for name in RUNS if name.startswith(("dmt", "motion_clone"))}
LEARNING = {name for name in RUNS if name.startswith(("learning", *RECIPES))}
