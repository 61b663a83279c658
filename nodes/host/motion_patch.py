"""Applies a motion to a MODEL: a wrapper around the diffusion model, on a clone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from comfy.patcher_extension import WrappersMP
from torch import nn

from ...motion_core.errors import OptionError
from ...motion_core.hooks.adapter_hooks import match_layers, temporal_parts
from ...motion_core.hooks.applied import Hooks, make_hooks
from ...motion_core.hooks.embedding_hooks import match_sites
from ...motion_core.hooks.live_switch import LiveSwitch, applied_by_a_forward
from ...motion_core.motions.adapter import Adapter
from ...motion_core.motions.apply_settings import AdapterSettings, ApplySettings, EmbeddingSettings
from ...motion_core.motions.embedding import MotionEmbedding
from ...motion_core.motions.motion import Motion
from .latents import count_frames
from .uncompiled import uncompiled
from .video_model import find_attention_owner
from .windows import FRAME_INDICES, find_repeated_window, find_window

_CONDITIONAL = 0
"""How the host marks the prompted half of guidance in `cond_or_uncond`."""

PrepareHooks = Callable[[nn.Module], Hooks]
"""Makes the hooks for the module that holds the attention."""
SetSwitch = Callable[[LiveSwitch, dict[str, Any], float], None]
"""Sets a switch for a forward with these transformer options, in which this share of the strength is applied."""
FindShare = Callable[[float], float]
"""Finds the share of the strength, 0..1, that is applied at a sigma."""
_LEVELS = 64
"""At how many parts of sampling the sigma is asked for where the strength fades."""


class MotionPatch:
    """Applies a motion in every forward of the wrapped diffusion model.

    Nothing of it stays in the model. Prepared hooks are kept for the duration of one sampling.
    """

    def __init__(self, prepare: PrepareHooks, set_switch: SetSwitch, find_share: FindShare):
        self.prepare, self.set_switch, self.find_share = prepare, set_switch, find_share
        self.kept: dict[int, Hooks] | None = None
        self.held: tuple[ExitStack, dict[int, LiveSwitch]] | None = None

    def during_sampling(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        """Wraps a whole sampling."""
        self.kept = {}
        try:
            with uncompiled(executor.class_obj.model_options):
                return executor(*args, **kwargs)
        finally:
            self.kept = None

    def __call__(self, executor: Any, x: Any, timesteps: Any, *args: Any, **kwargs: Any) -> Any:
        """Wraps a forward."""
        options = find_options(args, kwargs)
        share = self._share(options)
        if not share:
            return executor(x, timesteps, *args, **kwargs)
        module = find_attention_owner(executor.class_obj)
        hooks = self._prepared(module)
        with self._attached(module, hooks) as switch:
            self.set_switch(switch, options, share)
            switch.frames = count_frames(x)
            with applied_by_a_forward([switch] if hooks.additions else []):
                return executor(x, timesteps, *args, **kwargs)

    @contextmanager
    def held_attached(self) -> Iterator[None]:
        """Within the block, the hooks of a forward stay attached for its backward."""
        with ExitStack() as stack:
            self.held = (stack, {})
            try:
                yield
            finally:
                self.held = None

    def _attached(self, module: nn.Module, hooks: Hooks) -> AbstractContextManager[LiveSwitch]:
        if self.held is None:
            return hooks.attached()
        stack, switches = self.held
        if id(module) not in switches:
            switches[id(module)] = stack.enter_context(hooks.attached())
        return nullcontext(switches[id(module)])

    def _prepared(self, module: nn.Module) -> Hooks:
        kept = {} if self.kept is None else self.kept
        if id(module) not in kept:
            kept[id(module)] = self.prepare(module)
        return kept[id(module)]

    def _share(self, options: dict[str, Any]) -> float:
        sigmas = options.get("sigmas")
        return 1.0 if sigmas is None else self.find_share(float(sigmas.max()))


def apply_embedding(
    model: Any, embedding: MotionEmbedding, settings: EmbeddingSettings, frame_index: str = "window"
) -> Any:
    """Returns a clone of MODEL with the embedding. Raises ModelError when the model has no such attention site."""
    if frame_index not in FRAME_INDICES:
        raise OptionError(f"frame_index is {frame_index!r}; use one of {', '.join(FRAME_INDICES)}")
    find = find_window if frame_index == "absolute" else find_repeated_window
    if not model.injections:  # else temporal attention is put in while it samples, and the patch checks then
        match_sites(find_attention_owner(model.model.diffusion_model), embedding)

    def set_switch(switch: LiveSwitch, options: dict[str, Any], share: float) -> None:
        switch.window = find(options)
        switch.gate = _find_gate(settings.branches, options, share)

    return _patched(model, lambda module: make_hooks(embedding, module, settings), set_switch, settings)


def apply_adapter(model: Any, adapter: Adapter, settings: AdapterSettings, *, temporal_only: bool = False) -> Any:
    """Returns a clone of MODEL with the adapter, or with its temporal parts. Raises ModelError as above."""
    if not model.injections:
        match_layers(find_attention_owner(model.model.diffusion_model), adapter)

    def prepare(module: nn.Module) -> Hooks:
        applied: Motion = temporal_parts(module, adapter) if temporal_only else adapter
        return make_hooks(_as_ordinary(applied), module, settings)

    def set_switch(switch: LiveSwitch, options: dict[str, Any], share: float) -> None:
        switch.gate = _find_gate(settings.branches, options, share)

    return _patched(model, prepare, set_switch, settings)


def find_share(sampling: Any, settings: ApplySettings) -> FindShare:
    """Says of the host's sigmas what `ApplySettings.share_at` says of parts of sampling."""
    highest, lowest = float(sampling.percent_to_sigma(settings.start)), float(sampling.percent_to_sigma(settings.end))
    parts = [settings.end - settings.fade * number / _LEVELS for number in range(_LEVELS + 1)]
    sigmas = [float(sampling.percent_to_sigma(part)) for part in parts]  # they rise
    shares = [number / _LEVELS for number in range(_LEVELS + 1)]

    def find(sigma: float) -> float:
        if not lowest <= sigma <= highest:
            return 0.0
        return float(np.interp(sigma, sigmas, shares)) if settings.fade else 1.0

    return find


def find_options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Finds the transformer options among the arguments of a forward."""
    if "transformer_options" in kwargs:
        return kwargs["transformer_options"]
    return next((a for a in args if isinstance(a, dict) and "cond_or_uncond" in a), {})


def _find_gate(branches: str, options: dict[str, Any], share: float) -> torch.Tensor | None:
    """The share for each batch entry of this forward that gets the motion, None where all get it fully."""
    if branches != "conditional":
        return None if share == 1 else torch.tensor([share])
    running = options.get("cond_or_uncond") or [_CONDITIONAL]
    return torch.tensor([share * (branch == _CONDITIONAL) for branch in running])


def _as_ordinary(motion: Motion) -> Motion:
    """Returns the motion with ordinary tensors where inference mode is off, since a backward may pass them."""
    if torch.is_inference_mode_enabled():
        return motion
    return motion.map(lambda t: t.clone() if t.is_inference() else t)


def _patched(model: Any, prepare: PrepareHooks, set_switch: SetSwitch, settings: ApplySettings) -> Any:
    patch = MotionPatch(prepare, set_switch, find_share(model.get_model_object("model_sampling"), settings))
    clone, key = model.clone(), f"motion {uuid.uuid4()}"
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, key, patch)
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, key, patch.during_sampling)
    return clone
