"""A published method: what is trained, on which losses, and how it is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..diffusion.initial_noise import NOISE_METHODS
from ..diffusion.timesteps import TimestepSampler
from ..errors import OptionError
from ..memory.modes import AUTO, MEMORY_MODES
from ..models.layers import LAYER_CHOICES
from ..models.sites import SITE_CHOICES
from ..motions.embedding import SPATIAL
from ..motions.embedding_file import LAYOUTS
from ..options import Option, list_options, option
from ..video.pictures.recolouring import COLOURINGS
from .loss_term import ANY_REGULARISATION, ANY_SUBJECT, CLIP, LossTerm
from .optimizer_settings import OptimizerSettings

EMBEDDING, LOW_RANK, WEIGHTS = "embedding", "low_rank", "weights"
ADAPTER_KINDS = (LOW_RANK, WEIGHTS)
_OF_EMBEDDINGS = frozenset({"sites", "layout", "spatial", "grid"})
_OF_ADAPTERS = frozenset({"layers", "rank", "kind", "appearance_layers"})


@dataclass(frozen=True)
class Recipe:
    """A method with its numbers. Raises OptionError.

    name, source: the method's, paper and code; preset: which numbers these are; kind: what is trained, `embedding`,
    `low_rank` or `weights`; terms: the losses; appearance_layers: of a second adapter that is trained on single
    frames and thrown away, "" for none; apply: how the motion is applied, fields of its apply settings; noise, beta:
    what sampling starts from. The other fields are the options of training.
    """

    name: str
    source: str
    preset: str = "published"
    kind: str = option(LOW_RANK, choices=ADAPTER_KINDS, about="What is trained of a layer.")
    terms: tuple[LossTerm, ...] = (LossTerm(), ANY_REGULARISATION, ANY_SUBJECT)
    optimizer: OptimizerSettings = OptimizerSettings()
    timesteps: TimestepSampler | None = option(
        None,
        about="Noise levels to train at: all, a range such as 500-999 (where motion is decided), or coarse:0.5 (high "
        "noise more often).",
        metavar="WHICH",
    )
    memory: str = option(
        AUTO,
        choices=MEMORY_MODES,
        about="auto chooses by what is free. fast keeps everything, balanced recomputes normalisation layers and the "
        "high-resolution level, low everything; the result is the same. lowest is low and, on a GPU, weights in 8 bits "
        "during training, which changes the result a little.",
        metavar="MODE",
    )
    fast_kernels: bool = option(
        False, about="Computes the same with faster kernels, which round differently: less time on a CPU."
    )
    colourings: int = option(
        1,
        minimum=1,
        maximum=COLOURINGS,
        about="In how many colourings the clip is shown, so that its colours are not learnt; 1 is the clip as it is.",
        metavar="N",
    )
    sites: str = option(
        "deepest",
        choices=SITE_CHOICES,
        about="deepest: simple or local motion. all: complex, wide motion; more memory. early: the first half of a "
        "transformer's blocks, for Wan. On the command line also a regular expression.",
        metavar="WHICH",
    )
    layout: str = option(
        "official",
        choices=LAYOUTS,
        about="official: what the published code saves. paper: one value embedding for a block.",
        metavar="NAME",
    )
    spatial: str = "v"
    grid: int | None = option(
        None,
        minimum=1,
        maximum=256,
        about="At most so many places along the longer side of the value embedding, which is stretched over the "
        "model's; fewer take less memory and a smaller file. Most presets have no limit.",
        metavar="N",
    )
    layers: str = option(
        "",
        about=f"Layers to train: {', '.join(LAYER_CHOICES)}, joined with ' + ', or a regular expression.",
        metavar="WHICH",
    )
    rank: int = option(32, minimum=1, maximum=1024, about="Rank of a low-rank adapter.", metavar="N")
    appearance_layers: str = ""
    apply: Mapping[str, Any] = field(default_factory=dict)
    noise: str = "random"
    beta: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in (EMBEDDING, *ADAPTER_KINDS):
            raise OptionError(f"kind is {self.kind!r}; use one of {', '.join(ADAPTER_KINDS)}")
        if not 1 <= self.rank <= 1024:
            raise OptionError(f"rank is {self.rank}; choose 1 to 1024 (32 is usual)")
        if self.noise not in NOISE_METHODS:
            raise OptionError(f"noise is {self.noise!r}; use one of {', '.join(NOISE_METHODS)}")
        if self.memory not in MEMORY_MODES:
            raise OptionError(f"memory is {self.memory!r}; use one of {', '.join(MEMORY_MODES)}")
        if self.layout not in LAYOUTS:
            raise OptionError(f"layout is {self.layout!r}; use one of {', '.join(LAYOUTS)}")
        if self.spatial not in SPATIAL:
            raise OptionError(f"spatial is {self.spatial!r}; use one of {', '.join(SPATIAL)}")
        if self.grid is not None and not 1 <= self.grid <= 256:
            raise OptionError(f"grid is {self.grid}; choose 1 to 256 places, or none for the model's")
        if not 1 <= self.colourings <= COLOURINGS:
            raise OptionError(f"colourings is {self.colourings}; choose 1 (the clip as it is) to {COLOURINGS}")

    @property
    def steps(self) -> int:
        return self.optimizer.steps

    @property
    def objective(self) -> str:
        """The objective of the loss on the reference clip."""
        return self._clip_term.objective

    @property
    def needs_regularisation(self) -> bool:
        """Whether training needs clips without the motion."""
        return any(term.required for term in self.terms)

    @property
    def unused_options(self) -> frozenset[str]:
        """The names of the options that change nothing for this recipe."""
        if self.kind == EMBEDDING:
            return _OF_ADAPTERS
        return _OF_EMBEDDINGS if self.kind == LOW_RANK else _OF_EMBEDDINGS | {"rank"}

    def changed(self, **chosen: Any) -> Recipe:
        """Returns the recipe with the options that are chosen and not None. Raises OptionError, also for an option that
        changes nothing for this recipe, TypeError for a name that is no option.
        """
        known = {name: value for name, value in chosen.items() if value is not None}
        for name in known:
            if name in _OF_ADAPTERS and self.kind == EMBEDDING or name in _OF_EMBEDDINGS and self.kind != EMBEDDING:
                raise OptionError(f"{name} does nothing for the recipe {self.name}; leave it out or change the recipe")
        optimizer = {each.name: known.pop(each.name) for each in fields(OptimizerSettings) if each.name in known}
        terms = self.terms
        if "objective" in known:
            term = replace(self._clip_term, objective=known.pop("objective"))
            terms = tuple(term if each is self._clip_term else each for each in terms)
        return replace(self, terms=terms, optimizer=replace(self.optimizer, **optimizer), **known)

    def describe(self) -> dict[str, Any]:
        """Returns what a file records of the training."""
        numbers = {
            **{name: getattr(self, name) for name in ("source", "preset", "kind", "memory", "noise", "beta")},
            **({name: getattr(self, name) for name in sorted(self._own_options)}),
            "method": self.name,
            "objective": self.objective,
            "optimiser": str(self.optimizer),
            "timesteps": repr(self.timesteps) if self.timesteps else "uniform",
            "apply": dict(self.apply),
            **asdict(self.optimizer),
        }
        for name, off in (("colourings", 1), ("fast_kernels", False), ("grid", None)):
            if getattr(self, name) != off:
                numbers[name] = getattr(self, name)
        return numbers

    @property
    def _clip_term(self) -> LossTerm:
        return next(term for term in self.terms if term.data == CLIP)

    @property
    def _own_options(self) -> frozenset[str]:
        return (_OF_EMBEDDINGS | _OF_ADAPTERS) - self.unused_options - {"kind", "grid"}


def list_training_options() -> dict[str, tuple[Any, Option]]:
    """Returns name -> (field, option) of all options of training, in the order in which they are shown."""
    found = {
        each.name: (each, known)
        for config in (OptimizerSettings, LossTerm, Recipe)
        for each, known in list_options(config)
    }
    order = ("steps", "learning_rate", "objective", "timesteps", "memory", "steady", "fast_kernels", "colourings")
    return {name: found[name] for name in (*order, *(name for name in found if name not in order))}
