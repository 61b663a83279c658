"""Trains a motion on reference clips, as a recipe says. The model stays as it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import torch

from ..diffusion.denoiser import Denoiser
from ..diffusion.noise_samples import NoiseSample
from ..errors import MemoryShortage, OptionError
from ..hooks.live_switch import switched_off
from ..memory.footprint import Footprint, measure_footprint
from ..memory.free_memory import FindFree, find_free, format_bytes, return_unused
from ..memory.freezing import frozen
from ..memory.modes import AUTO, choose_mode, in_mode, next_lower
from ..memory.peak import MemoryUse, PeakMeter
from ..models.families import recognize
from ..models.sites import select_sites
from ..models.token_layout import Grid
from ..motions.motion import Motion
from ..motions.origin import UNKNOWN, Origin, ReferenceInfo
from ..progress import TrainingCallback
from ..recipes.loss_term import SPATIAL
from ..recipes.recipe import EMBEDDING, Recipe
from .examples import ReferenceSet
from .loop import Losses, minimize
from .observer import NoObserver, Observer, Snapshot
from .parts import TrainedParts, measure_grids, refuse_subjects, start_parts
from .shortage import explained
from .step_losses import StepLosses
from .temporal_convolutions import as_2d_convolutions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """motion: on the CPU in float32; losses: of each step; memory: what training took."""

    motion: Motion
    losses: list[float]
    memory: MemoryUse


def train(
    denoiser: Denoiser,
    references: ReferenceSet,
    recipe: Recipe,
    *,
    seed: int = 0,
    info: ReferenceInfo = UNKNOWN,
    callback: TrainingCallback | None = None,
    observer: Observer | None = None,
    find_free: FindFree = find_free,
    on_begin: Callable[[str], None] = lambda mode: None,
) -> Trained:
    """Trains what the reference clips share.

    info: of the reference, for the file; observer: may end training and choose what it returns; find_free: returns the
    bytes that are free on a device; on_begin: called with the memory mode when training begins. When memory runs out,
    training begins again in the next lower memory mode, once; its steps are counted from 1.

    The model is as before afterwards, also after an error. Global random state is not touched, and the same seed
    gives the same motion, observed or not. Raises OptionError, ModelError, MemoryShortage.
    """
    _check(denoiser, references, recipe, seed)
    observer = observer or NoObserver()
    run = _Run(denoiser, references, recipe, seed=seed, observer=observer, on_begin=on_begin)
    device = references.first.device
    with frozen(denoiser.module):
        with explained(recipe.memory, references.first):
            footprint = run.measure_footprint()
        mode = choose_mode(footprint, find_free(device)) if recipe.memory == AUTO else recipe.memory
        logger.info("memory %s: a peak of %s predicted", mode, format_bytes(footprint.predict(mode)))
        trained = _train_or_fall_back(run, mode, footprint, callback)
    logger.info("%s", trained.memory)
    record = recipe.describe() | references.describe() | run.observer.describe()
    record["terms"] = [
        f"{term.objective} on {term.data}" for term in recipe.terms if references.find_examples(term.data)
    ]
    return replace(trained, motion=replace(trained.motion, origin=Origin.of(info, seed, record)))


def _train_or_fall_back(run: _Run, mode: str, footprint: Footprint, callback: TrainingCallback | None) -> Trained:
    device = run.references.first.device
    try:
        return run.train(mode, footprint, callback)
    except MemoryShortage as shortage:
        lower = next_lower(mode, device)
        if lower is None:
            raise
        logger.warning("%s. Now learning with memory %s, from the first step.", shortage, lower)
    # not in the `except`, whose error holds the memory of the failed attempt
    return_unused(device)
    trained = run.train(lower, footprint, callback)
    return replace(trained, memory=replace(trained.memory, fell_back=True))


def is_half(denoiser: Denoiser) -> bool:
    """Whether any weight of the model is kept in fp16."""
    return any(p.dtype == torch.float16 for p in denoiser.module.parameters())


class _Run:
    """Training on one model: what is the same in every memory mode."""

    def __init__(
        self,
        denoiser: Denoiser,
        references: ReferenceSet,
        recipe: Recipe,
        *,
        seed: int,
        observer: Observer,
        on_begin: Callable[[str], None],
    ):
        self.denoiser, self.references, self.recipe = denoiser, references, recipe
        self.seed, self.observer, self.on_begin = seed, observer, on_begin
        self.model = recognize(denoiser.module)
        self.levels = self.model.group_by_level()
        self.grids: dict[str, Grid] = {}

    def measure_footprint(self) -> Footprint:
        """Measures what a step leaves behind, and the grids of the sites."""
        if self.recipe.kind == EMBEDDING:
            sites = select_sites(self.model.sites, self.recipe.sites)
            self.grids = measure_grids(self.denoiser, sites, self.references.clips[0])
        with ExitStack() as stack:
            parts, losses = self._start(stack)
            stack.enter_context(torch.enable_grad())
            return measure_footprint(
                self.denoiser.module,
                self.levels,
                parts.parameters,
                losses.evaluate_clean,
                averaged=self.recipe.optimizer.steady,
            )

    def train(self, mode: str, footprint: Footprint, callback: TrainingCallback | None) -> Trained:
        """Trains in a memory mode."""
        device = self.references.first.device
        self.observer.begin()
        self.on_begin(mode)
        with ExitStack() as stack:
            stack.enter_context(explained(mode, self.references.first))
            stack.enter_context(in_mode(mode, self.levels, device))
            if self.recipe.fast_kernels:
                stack.enter_context(as_2d_convolutions(self.denoiser.module))
            parts, losses = self._start(stack)
            meter = PeakMeter(device, footprint)

            def draw_losses() -> Losses:
                with meter.measured():
                    yield from losses.draw()

            stack.enter_context(torch.enable_grad())
            values = minimize(
                parts.parameters,
                draw_losses,
                self.recipe.optimizer,
                half=is_half(self.denoiser),
                callback=callback,
                is_due=lambda step: self.observer.is_due(step, self.recipe.steps),
                observe=lambda step: self._observe(step, parts, losses),
            )
            peak, how = meter.read()
            memory = MemoryUse(mode, self.recipe.memory == AUTO, footprint.predict(mode), peak, how)
            motion = (self.observer.kept or parts.motion.detached()).moved("cpu")
        return Trained(motion, values, memory)

    def _start(self, stack: ExitStack) -> tuple[TrainedParts, StepLosses]:
        """Makes the parts and their losses. The parts stay attached until the stack closes: checkpointing computes
        forwards again in backward.
        """
        first = self.references.clips[0]
        parts = start_parts(self.denoiser, self.model, self.recipe, first, grids=self.grids, seed=self.seed)
        switches = parts.attach(self.denoiser, stack)
        losses = StepLosses(
            self.denoiser,
            self.model,
            self.recipe,
            self.references,
            parts=parts,
            switches=switches,
            seed=self.seed,
        )
        if any(term.trains == SPATIAL for term in losses.terms) and not parts.spatial:
            refuse_subjects(self.recipe)
        return parts, losses

    def _observe(self, step: int, parts: TrainedParts, losses: StepLosses) -> bool:
        def evaluate(sample: NoiseSample) -> torch.Tensor:
            with _preserved(losses):
                return losses.evaluate(sample)

        # with its origin, so that the observer applies it as its file will suggest
        motion = replace(parts.motion.detached(), origin=Origin(seed=self.seed, recipe=self.recipe.describe()))
        with torch.no_grad(), switched_off(*losses.switches.values()):
            return self.observer.observe(Snapshot(step, motion, evaluate))


@contextmanager
def _preserved(losses: StepLosses) -> Iterator[None]:
    """Within the block the switches may change; afterwards they are as before."""
    before = {name: switch.active for name, switch in losses.switches.items()}
    try:
        yield
    finally:
        for name, active in before.items():
            losses.switches[name].active = active


def _check(denoiser: Denoiser, references: ReferenceSet, recipe: Recipe, seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise OptionError(f"seed is {seed}; choose a whole number from 0 to 2^63 - 1")
    if recipe.needs_regularisation and not references.regularisation:
        raise OptionError(
            f"the recipe {recipe.name} needs clips that do not show the motion; give a regularisation set"
        )
    if references.subjects and recipe.kind == EMBEDDING:
        refuse_subjects(recipe)
    steps = denoiser.schedule.steps
    if recipe.timesteps is not None and recipe.timesteps.quantile(1.0) > steps:
        raise OptionError(f"timesteps are {recipe.timesteps} and the model has {steps}; go no higher")
