"""A motion in a MODEL: a wrapper around the diffusion model, on a clone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import nn

from ...motion_core.errors import OptionError
from ...motion_core.hooks.adapter_hooks import Adaptation, Adapting, match_layers, temporal_parts
from ...motion_core.hooks.embedding_hooks import Injection, Injector, match_sites
from ...motion_core.motions.adapter import Adapter
from ...motion_core.motions.embedding import MotionEmbedding
from ...motion_core.sampling.sample import AdaptConfig, ApplyConfig
from .uncompiled import uncompiled
from .video_model import find_attention_owner
from .windows import FRAME_INDICES, find_repeated_window, find_window

_CONDITIONAL = 0
"""How the host marks the prompted half of guidance in `cond_or_uncond`."""


class MotionPatch:
    """Lets every forward of the wrapped diffusion model feel a motion. Nothing of it stays in the model, and what is
    worth keeping from one forward to the next is kept only while one sampling lasts.

    prepare: gives, for the module with the attention, what has `at_work()`; tune: sets what that yields for a forward.
    """

    def __init__(
        self,
        prepare: Callable[[nn.Module], Injector | Adapting],
        tune: Callable[[Any, dict[str, Any]], None],
        highest_sigma: float,
        lowest_sigma: float,
    ):
        self.prepare, self.tune = prepare, tune
        self.highest_sigma, self.lowest_sigma = highest_sigma, lowest_sigma
        self.kept: dict[int, Injector | Adapting] | None = None
        self.held: tuple[ExitStack, dict[int, Any]] | None = None

    def during_sampling(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        """The wrapper around a whole sampling."""
        self.kept = {}
        try:
            with uncompiled(executor.class_obj.model_options):
                return executor(*args, **kwargs)
        finally:
            self.kept = None

    def __call__(self, executor: Any, x: Any, timesteps: Any, *args: Any, **kwargs: Any) -> Any:
        options = find_options(args, kwargs)
        if not self._is_felt(options):
            return executor(x, timesteps, *args, **kwargs)
        with self._at_work(find_attention_owner(executor.class_obj)) as live:
            self.tune(live, options)
            return executor(x, timesteps, *args, **kwargs)

    @contextmanager
    def held_at_work(self) -> Iterator[None]:
        """Within the block, what a forward felt stays in the model for its backward."""
        with ExitStack() as stack:
            self.held = (stack, {})
            try:
                yield
            finally:
                self.held = None

    def _at_work(self, module: nn.Module) -> AbstractContextManager[Any]:
        if self.held is None:
            return self._prepared(module).at_work()
        stack, live = self.held
        if id(module) not in live:
            live[id(module)] = stack.enter_context(self._prepared(module).at_work())
        return nullcontext(live[id(module)])

    def _prepared(self, module: nn.Module) -> Injector | Adapting:
        kept = {} if self.kept is None else self.kept
        if id(module) not in kept:
            kept[id(module)] = self.prepare(module)
        return kept[id(module)]

    def _is_felt(self, options: dict[str, Any]) -> bool:
        sigmas = options.get("sigmas")
        return sigmas is None or self.lowest_sigma <= float(sigmas.max()) <= self.highest_sigma


def apply_motion(model: Any, embedding: MotionEmbedding, config: ApplyConfig, frame_index: str = "window") -> Any:
    """A clone of MODEL that feels the motion. Raises ModelError when the model has no such attention site."""
    if frame_index not in FRAME_INDICES:
        raise OptionError(f"frame_index is {frame_index!r}; use one of {', '.join(FRAME_INDICES)}")
    place = find_window if frame_index == "absolute" else find_repeated_window
    if not model.injections:  # else temporal attention is put in while it samples, and the patch finds out then
        match_sites(find_attention_owner(model.model.diffusion_model), embedding)

    def prepare(module: nn.Module) -> Injector:
        return Injector(module, embedding, config.strength_qk, config.strength_v)

    def tune(injection: Injection, options: dict[str, Any]) -> None:
        injection.window = place(options)
        injection.gate = _find_gate(config.branches, options)

    return _patched(model, prepare, tune, config)


def apply_adapter(model: Any, adapter: Adapter, config: AdaptConfig, temporal_only: bool = False) -> Any:
    """A clone of MODEL that feels the adapter, or what of it works along time. Raises ModelError as above."""
    if not model.injections:
        match_layers(find_attention_owner(model.model.diffusion_model), adapter)

    def prepare(module: nn.Module) -> Adapting:
        felt = temporal_parts(module, adapter) if temporal_only else adapter
        return Adapting(module, _thawed(felt), config.strength)

    def tune(adaptation: Adaptation, options: dict[str, Any]) -> None:
        adaptation.gate = _find_gate(config.branches, options)

    return _patched(model, prepare, tune, config)


def _find_gate(branches: str, options: dict[str, Any]) -> torch.Tensor | None:
    """1 for each batch entry of this forward that the motion is for, None where it is for all."""
    if branches != "conditional":
        return None
    running = options.get("cond_or_uncond") or [_CONDITIONAL]
    return torch.tensor([float(branch == _CONDITIONAL) for branch in running])


def _thawed(adapter: Adapter) -> Adapter:
    """Of ordinary tensors, where inference mode is off: a backward may have to pass."""
    if torch.is_inference_mode_enabled():
        return adapter
    parts = {name: part.map(lambda t: t.clone() if t.is_inference() else t) for name, part in adapter.parts.items()}
    return replace(adapter, parts=parts)


def _patched(
    model: Any,
    prepare: Callable[[nn.Module], Injector | Adapting],
    tune: Callable[[Any, dict[str, Any]], None],
    config: ApplyConfig | AdaptConfig,
) -> Any:
    sampling = model.get_model_object("model_sampling")
    patch = MotionPatch(prepare, tune, sampling.percent_to_sigma(config.start), sampling.percent_to_sigma(config.end))
    clone, key = model.clone(), f"motion {uuid.uuid4()}"
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, key, patch)
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, key, patch.during_sampling)
    return clone


def find_options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    if "transformer_options" in kwargs:
        return kwargs["transformer_options"]
    return next((a for a in args if isinstance(a, dict) and "cond_or_uncond" in a), {})
