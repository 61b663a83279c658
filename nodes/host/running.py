"""Runs the core inside the host's own sampling: everything that hooks into sampling (AnimateDiff-Evolved, LoRA
hooks, context options) is in place, the model is loaded whole, and conditioning is prepared as the host prepares it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor, nn

from ...motion_core.diffusion.schedule import NoiseSchedule
from ...motion_core.errors import ModelError, OptionError
from .attention import with_backward
from .static_weights import check_static_weights, with_static_weights
from .uncompiled import uncompiled
from .video_model import find_attention_owner

_KEY = "text "
"""With a number, under what the host keeps a conditioning of ours."""

Conditioning = list[dict[str, Any]]
"""As the host prepares a CONDITIONING for a sampling: its parts."""

ALL_MEMORY = 1e20
"""More than there is, so that the host unloads all other models; its own training asks for as much."""


class HostDenoiser:
    """A core `Denoiser` over a MODEL that the host is sampling with. Text is the host's conditioning: what the core
    hands in as text is the number of one of `texts`, see `number_of_text`.

    extra_args: what the host hands to its samplers; frames: of the clip that the host samples; modules that are put in
    for a sampling (AnimateDiff-Evolved's) take no other number. texts: conditionings as that sampling prepared them.
    """

    def __init__(
        self, guider: comfy.samplers.CFGGuider, extra_args: dict[str, Any], frames: int, texts: Sequence[Conditioning]
    ):
        self.texts = texts
        self.options = with_backward(_without_guidance(extra_args["model_options"]))
        self.seed = extra_args.get("seed")
        self.least_frames = frames if guider.model_patcher.injections else 1
        self.patcher, self.base = guider.model_patcher, guider.inner_model
        self.module: nn.Module = find_attention_owner(self.base.diffusion_model)
        self.schedule = schedule_of(self.base.model_sampling)

    def predict(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """The noise in z (B, C, N, h, w) at timesteps t (B,), one clip after another."""
        clips = zip(z.split(1), t.split(1), text.split(1), strict=True)
        return torch.cat([self._predict_clip(*clip) for clip in clips])

    def _predict_clip(self, z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """The host works on z / sqrt(alpha_bar), frame by frame."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        abar = self.schedule.alpha_bar(t, z)
        sigma = ((1 - abar) / abar).sqrt()
        frames = (z / abar.sqrt())[0].transpose(0, 1)
        seen = frames.expand(self.least_frames, -1, -1, -1) if len(frames) == 1 else frames  # a still clip, if need be
        sigmas = sigma.flatten().expand(len(seen)).float()
        # looked up late: AnimateDiff-Evolved puts its own there for a sampling
        x0 = comfy.samplers.sampling_function(
            self.base, seen, sigmas, None, self.texts[int(text.flatten()[0])], 1.0, self.options, self.seed
        )[: len(frames)]
        return ((frames - x0) / sigma[0]).transpose(0, 1)[None].to(z.dtype)

    def find_free(self, device: torch.device) -> int:
        """Bytes that are free on the device or that the host gives back."""
        find: Callable[[torch.device], int] = getattr(
            self.patcher, "get_free_memory", comfy.model_management.get_free_memory
        )
        return int(find(device))

    def take_memory_back(self) -> None:
        """Load the model whole again, after others (VAE, CLIP) may have taken its place in the middle of learning."""
        load_whole(self.patcher)


def _without_guidance(model_options: dict[str, Any]) -> dict[str, Any]:
    """The options under which the host gives the model's answer to the prompt alone, whatever it makes of it else."""
    meddling = ("sampler_pre_cfg_function", "sampler_cfg_function", "disable_cfg1_optimization")
    kept = {name: option for name, option in model_options.items() if name not in meddling}
    return {**kept, "sampler_post_cfg_function": [lambda said: said["cond_denoised"]]}


def number_of_text(number: int, device: torch.device | str = "cpu") -> Tensor:
    """(1, 1, 1): what the core is handed as text for the number-th CONDITIONING."""
    return torch.full((1, 1, 1), float(number), device=device)


def schedule_of(model_sampling: Any) -> NoiseSchedule:
    """The core's schedule of a MODEL. Raises ModelError for one that does not add noise as diffusion models do."""
    if not hasattr(model_sampling, "sigmas") or not hasattr(model_sampling, "sigma_data"):
        raise ModelError("this model is no diffusion model with a noise schedule; load AnimateDiff, ZeroScope or like")
    return NoiseSchedule(1 / (model_sampling.sigmas.double().cpu().square() + 1))


class Job(comfy.samplers.Sampler):
    """A host sampler that does something else with the model that the host prepared."""

    def __init__(self, work: Callable[[HostDenoiser, Tensor], Tensor]):
        self.work = work

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,
        noise: Tensor,
        latent_image: Tensor | None = None,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        assert latent_image is not None
        clip = latent_image.transpose(0, 1)[None]  # (1, C, N, h, w), as the model wants latents
        texts = [text for name, text in model_wrap.conds.items() if name.startswith(_KEY)]
        return self.work(HostDenoiser(model_wrap, extra_args, clip.shape[2], texts), clip)[0].transpose(0, 1)


def run_in_host(
    model: Any,
    conditionings: Sequence[Any],
    latents: Tensor,
    work: Callable[[HostDenoiser, Tensor], Tensor],
    learning: bool = False,
) -> Tensor:
    """Let `work(denoiser, clip)` run on MODEL; latents, result: (N, C, h, w) as in a LATENT.

    conditionings: what the core may ask for as text, by number.
    learning: whether there is a backward: the model is then loaded whole, and everything else makes room for it.
    """
    check_latents(model, latents)
    model = with_static_weights(model) if learning else model
    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds(
        {"positive": conditionings[0], **{f"{_KEY}{number}": each for number, each in enumerate(conditionings)}}
    )
    guider.set_cfg(1.0)
    sigmas = torch.cat([model.get_model_object("model_sampling").sigmas.flip(0)[:1], torch.zeros(1)])
    if learning:
        load_whole(model)
    with uncompiled(guider.model_options):
        return guider.sample(torch.zeros_like(latents), latents, Job(work), sigmas, disable_pbar=True)


def check_latents(model: Any, latents: Tensor) -> None:
    """Raises OptionError unless latents are (N, C, h, w) as MODEL takes them."""
    channels = model.get_model_object("latent_format").latent_channels
    if latents.ndim != 4 or latents.shape[1] != channels:
        raise OptionError(
            f"latents have shape {tuple(latents.shape)} and the model takes (frames, {channels}, height, width); "
            "encode the reference with the VAE that belongs to the model"
        )


def load_whole(model: Any) -> None:
    """Load all of MODEL, and let everything else make room for a backward."""
    comfy.model_management.load_models_gpu([model], memory_required=ALL_MEMORY, force_full_load=True)


@contextmanager
def thawed(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Within the block, inference tensors, which no backward can pass, are equal ordinary ones.

    One at a time, for memory; on a GPU for good, as two copies may not fit. On a CPU the tensors come back: a copy lies
    elsewhere in memory, and kernels that look at alignment would round differently ever after. Raises ModelError where
    the host keeps weights elsewhere than on `device`, on which the model runs.
    """
    check_static_weights(module, device)
    kept: list[tuple[dict[str, Any], str, Tensor]] = []
    try:
        with torch.inference_mode(False):
            for part in module.modules():
                for tensors in (part._parameters, part._buffers):
                    for name, tensor in tensors.items():
                        if tensor is not None and tensor.is_inference():
                            if tensor.device.type == "cpu":
                                kept.append((tensors, name, tensor))
                            tensors[name] = _thaw(tensor)
        yield
    finally:
        for tensors, name, tensor in kept:
            tensors[name] = tensor


def thaw_conditioning(texts: Iterable[Conditioning]) -> None:
    """Clone what conditionings were made under inference mode, wherever the host keeps it."""
    with torch.inference_mode(False):
        for entry in (entry for text in texts for entry in text):
            for kept in entry.get("model_conds", {}).values():
                if isinstance(getattr(kept, "cond", None), Tensor):
                    kept.cond = kept.cond.clone()


def _thaw(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
