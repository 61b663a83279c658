"""Everything that runs a model for long, on tiny material, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from motion_core.diffusion.denoiser import Denoiser
from motion_core.diffusion.noise_samples import NoiseSampler
from motion_core.diffusion.timesteps import Uniform
from motion_core.guidance.methods import find_method, prepare_guidance
from motion_core.hooks.applied import AppliedMotion
from motion_core.models.families import find_sites, recognize
from motion_core.models.layers import select_layers
from motion_core.motions.adapter import Adapter
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import Motion
from motion_core.sampling.inversion import invert
from motion_core.sampling.sample import sample
from motion_core.training.early_stop import AppearanceStop, StopSettings
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.observer import Observer
from motion_core.training.parts import measure_grids
from motion_core.training.train import train
from motion_core.training.validation import Validation
from tests.conftest import seeded
from tests.training_cases import RECIPE_NAMES, short_recipe

FRAMES, STEPS = 3, 2
Update = Callable[..., None]
Run = Callable[[Denoiser, Update], Sequence[Tensor]]
"""Runs a model and returns what it made. The update is called after each step."""

LATENTS, NOISE = (seeded(1, 4, FRAMES, 8, 8, seed=seed) for seed in (0, 7))
TEXT, NEGATIVE = (seeded(5, 16, seed=seed) for seed in (1, 2))
CLIP, OTHER = Example(LATENTS, TEXT), Example(LATENTS.flip(2), NEGATIVE)
ALONE = ReferenceSet([CLIP])
SUBJECT = Example(LATENTS[:, :, :1], TEXT)
MASK = torch.linspace(0, 1, 64).reshape(1, 8, 8).repeat(FRAMES, 1, 1)


def learn(
    denoiser: Denoiser,
    update: Update,
    name: str = "motion_inversion",
    *,
    references: ReferenceSet = ALONE,
    make_observer: Callable[[Denoiser, Update], Observer] | None = None,
    **changes: Any,
) -> Sequence[Tensor]:
    recipe = short_recipe(name, steps=STEPS, **changes)
    observer = make_observer(denoiser, update) if make_observer else None
    return train(denoiser, references, recipe, callback=update, observer=observer).motion.parameters


def learn_once(denoiser: Denoiser, update: Update, name: str, *, subject: bool = False, **changes: Any):
    """One step beside a clip for regularisation, in the recipe's own memory mode where none is given."""
    recipe = short_recipe(name, steps=1, memory=None, **changes)
    references = ReferenceSet([CLIP], [OTHER], [SUBJECT] if subject else [])
    return train(denoiser, references, recipe, callback=update).motion.parameters


def preview_every_step(denoiser: Denoiser, update: Update) -> AppearanceStop:
    """Scores a sample that is made after each step."""

    def score(motion: Motion) -> float:
        motions = [AppliedMotion.of(motion)]
        made = sample(denoiser, NOISE, [TEXT], NEGATIVE, motions=motions, steps=2, progress=update)
        return -float(made.square().mean().tanh())

    return AppearanceStop(StopSettings(every=1), score)


def validate_every_step(denoiser: Denoiser, update: Update) -> Validation:
    generator = torch.Generator().manual_seed(5)
    samples = NoiseSampler(Uniform(0, 1000), [LATENTS.shape], generator).draw_stratified(2)
    return Validation(samples, every=1)


def make_embedding(denoiser: Denoiser) -> MotionEmbedding:
    """Of every site, nowhere zero."""
    sites = find_sites(denoiser.module)
    grids = measure_grids(denoiser, sites, CLIP)
    zeros = MotionEmbedding.zeros(recognize(denoiser.module).family.name, sites, grids, FRAMES)
    return zeros.map(lambda tensor: seeded(*tensor.shape))


def make_adapter(denoiser: Denoiser) -> Adapter:
    layers = select_layers(recognize(denoiser.module).list_layers(), "temporal_transformer")
    adapter = Adapter.low_rank(
        recognize(denoiser.module).family.name, [layer for layer in layers if len(layer.shape) == 2], 2
    )
    for number, tensor in enumerate(adapter.parameters):
        tensor.data.copy_(0.1 * seeded(*tensor.shape, seed=number))
    return adapter


def sample_under(
    denoiser: Denoiser, update: Update, motions: Callable[[Denoiser], list[AppliedMotion]]
) -> list[Tensor]:
    return [sample(denoiser, NOISE, [TEXT], NEGATIVE, motions=motions(denoiser), steps=STEPS, progress=update)]


def apply_motion(denoiser: Denoiser, **changes: Any) -> list[AppliedMotion]:
    return [AppliedMotion.of(make_embedding(denoiser), **changes)]


def apply_adapter(denoiser: Denoiser, **changes: Any) -> list[AppliedMotion]:
    return [AppliedMotion.of(make_adapter(denoiser), **changes)]


def apply_both(denoiser: Denoiser) -> list[AppliedMotion]:
    return apply_motion(denoiser, branches="conditional") + apply_adapter(denoiser, branches="conditional", end=0.7)


def guide(denoiser: Denoiser, update: Update, method: str, **changes: Any) -> list[Tensor]:
    config = find_method(method).configure(start=0.0, end=1.0, **changes)
    timesteps = denoiser.schedule.levels(STEPS)
    guidance = prepare_guidance(denoiser, LATENTS, TEXT, config, levels=timesteps, progress=update)
    return [sample(denoiser, NOISE, [TEXT], NEGATIVE, steps=STEPS, progress=update, guidance=guidance)]


def run_backwards(denoiser: Denoiser, update: Update) -> list[Tensor]:
    return [invert(denoiser, LATENTS, TEXT, STEPS, progress=update)]


MODES = ("auto", "fast", "balanced", "low")
COLOURED = ReferenceSet([CLIP, Example(LATENTS.flip(1), TEXT)])
RUNS: dict[str, Run] = {
    **{f"training with memory {mode}": partial(learn, memory=mode) for mode in MODES},
    "training with memory lowest": partial(learn, memory="lowest", sites="all"),
    "training an adapter with memory auto": partial(learn, name="vmc", memory="auto"),
    "training an adapter with memory lowest": partial(learn, name="motion_director", memory="lowest"),
    "training with validation": partial(learn, make_observer=validate_every_step),
    "training with averages": partial(learn, steady=True, memory="balanced"),
    "training with averages and validation": partial(learn, steady=True, make_observer=validate_every_step),
    "training with fast kernels": partial(learn, fast_kernels=True, memory="low"),
    "training on two clips": partial(learn, references=COLOURED, layout="paper"),
    "training with a mask": partial(learn, references=ReferenceSet([CLIP], mask=MASK)),
    "training an adapter with a mask": partial(learn, name="vmc", references=ReferenceSet([CLIP], mask=MASK)),
    **{f"{name} by its own memory": partial(learn_once, name=name) for name in RECIPE_NAMES[1:]},
    "customizing_motion with a subject": partial(learn_once, name="customizing_motion", subject=True),
    "motion_inversion with previews": partial(learn, make_observer=preview_every_step),
    "vmc with previews": partial(learn, name="vmc", make_observer=preview_every_step),
    "sampling with a motion": partial(sample_under, motions=apply_motion),
    "sampling with an adapter": partial(sample_under, motions=apply_adapter),
    "sampling with both in one branch": partial(sample_under, motions=apply_both),
    "dmt": partial(guide, method="dmt", optimisation_steps=1),
    "dmt with memory low": partial(guide, method="dmt", optimisation_steps=1, memory="low", block="up_blocks.2"),
    "motion_clone": partial(guide, method="motion_clone"),
    "motion_clone with memory low": partial(guide, method="motion_clone", memory="low"),
    "inversion": run_backwards,
}
GUIDED = {name for name in RUNS if name.startswith(("dmt", "motion_clone"))}
TRAINING = {name for name in RUNS if name.startswith(("training", *RECIPE_NAMES))}
