"""A video model of the core as the host's MODEL: a `BaseModel` whose batch is the clip's frames."""

from __future__ import annotations

from typing import Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models_base
import torch
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from torch import Tensor, nn

from ...motion_core.errors import OptionError
from ...motion_core.models.zeroscope.loading import ZeroscopeModel

MEMORY_FACTOR = 2.0
"""What the host multiplies its estimate of a sampling step's memory with; ZeroScope's UNet is of SD 2's width."""


class FramesUNet(nn.Module):
    """A `UNet3DConditionModel` that takes the host's batch: (branches * F, C, h, w), the frames of each in a row."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    @property
    def dtype(self) -> torch.dtype:
        return next(self.unet.parameters()).dtype

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        control: Any = None,
        transformer_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        transformer_options = transformer_options or {}
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, transformer_options)
        executor = WrapperExecutor.new_class_executor(self._forward, self, wrappers)
        return executor.execute(x, timesteps, context, control, transformer_options, **kwargs)

    def _forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None,
        control: Any,
        transformer_options: dict[str, Any],
        **kwargs: Any,
    ) -> Tensor:
        if control is not None:
            raise OptionError("this video model takes no ControlNet; remove it from the conditioning")
        if context is None:
            raise OptionError("this video model needs a prompt; connect the CLIP of LoadVideoDiffusionModel")
        branches = count_branches(transformer_options)
        frames = len(x) // branches
        clips = x.unflatten(0, (branches, frames)).transpose(1, 2)  # (branches, C, F, h, w)
        output = self.unet(clips, timesteps[::frames], encoder_hidden_states=context[::frames].to(x.dtype)).sample
        return output.transpose(1, 2).flatten(0, 1)


def count_branches(transformer_options: dict[str, Any]) -> int:
    """How many clips a batch holds: the halves of guidance that the host runs together."""
    return len(transformer_options.get("cond_or_uncond") or [0])


def find_attention_owner(diffusion_model: nn.Module) -> nn.Module:
    """The module that the core knows the attention sites of."""
    return diffusion_model.unet if isinstance(diffusion_model, FramesUNet) else diffusion_model


def as_model(model: ZeroscopeModel) -> comfy.model_patcher.ModelPatcher:
    """The MODEL socket of a loaded video model."""
    unet = model.denoiser.module
    config = _ModelConfig({"disable_unet_model_creation": True, "in_channels": unet.config.in_channels})
    config.unet_config["dtype"] = next(unet.parameters()).dtype
    config.latent_format = comfy.latent_formats.SD15(model.vae.config.scaling_factor)
    kind = comfy.model_base.ModelType.V_PREDICTION if model.denoiser.velocity else comfy.model_base.ModelType.EPS
    base = comfy.model_base.BaseModel(config, kind, device=model.device)
    alpha_bars = model.denoiser.schedule.alpha_bars
    base.model_sampling.set_sigmas(((1 - alpha_bars) / alpha_bars).sqrt())
    base.model_sampling.alpha_bars = alpha_bars  # exact, as the sigmas are not
    base.diffusion_model = FramesUNet(unet).eval()
    base.source_name = model.name
    return comfy.model_patcher.ModelPatcher(
        base,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


class _ModelConfig(comfy.supported_models_base.BASE):
    unet_extra_config: dict[str, Any] = {}
    memory_usage_factor = MEMORY_FACTOR
