"""A motion together with how it is applied."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import singledispatch

from torch import nn

from ..motions.adapter import Adapter
from ..motions.apply_settings import AdapterSettings, ApplySettings, EmbeddingSettings
from ..motions.embedding import MotionEmbedding
from ..motions.motion import Motion, suggested_settings
from .adapter_hooks import AdapterHooks
from .embedding_hooks import EmbeddingHooks
from .live_switch import LiveSwitch

Hooks = EmbeddingHooks | AdapterHooks


@dataclass(frozen=True)
class AppliedMotion:
    """A motion and how it is applied. Raises OptionError for the settings of another kind of motion."""

    motion: Motion
    settings: ApplySettings

    @classmethod
    def of(cls, motion: Motion, **chosen: object) -> AppliedMotion:
        """Applies a motion as it suggests where nothing is chosen."""
        return cls(motion, suggested_settings(motion, **chosen))

    def attached(self, module: nn.Module) -> AbstractContextManager[LiveSwitch]:
        """Within the block every forward of the model applies the motion, as the switch says."""
        return make_hooks(self.motion, module, self.settings).attached()


@singledispatch
def make_hooks(motion: Motion, module: nn.Module, settings: ApplySettings) -> Hooks:
    """Makes the hooks of a motion for a model. Raises ModelError where the motion does not fit the model."""
    raise TypeError(f"{type(motion).__name__} is no motion")


@make_hooks.register
def _(motion: MotionEmbedding, module: nn.Module, settings: EmbeddingSettings) -> Hooks:
    debiased = motion.debiased(settings.debias) if motion.debiased_by == "none" else motion
    return EmbeddingHooks(module, debiased, settings.strength_qk, settings.strength_v)


@make_hooks.register
def _(motion: Adapter, module: nn.Module, settings: AdapterSettings) -> Hooks:
    return AdapterHooks(module, motion, settings.strength)
