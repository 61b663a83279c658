"""Reads a diffusers folder of the ZeroScope family: `unet/ vae/ text_encoder/ tokenizer/ scheduler/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from ...device import choose_device, fitting_dtype
from ...diffusion.schedule import NoiseSchedule
from ...errors import ModelError
from ..prompt_features import encode_prompts
from .denoiser import UNetDenoiser

_PARTS = {
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "tokenizer": "tokenizer_config.json",
    "scheduler": "scheduler_config.json",
}
_WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
_LAYOUT = "the diffusers layout is read: a folder with unet, vae, text_encoder, tokenizer and scheduler in it"


@dataclass(frozen=True)
class ZeroscopeModel:
    """A `VideoModel`. name: its folder's; frames: how many it was trained on, 0 where unknown."""

    name: str
    denoiser: UNetDenoiser
    vae: Any
    text_encoder: Any
    tokenizer: Any
    frames: int = 0

    @property
    def device(self) -> torch.device:
        return next(self.denoiser.module.parameters()).device

    @property
    def factor(self) -> int:
        """Pixels to a latent pixel, along each side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def usual_size(self) -> tuple[int, int]:
        """(width, height) in pixels that it was trained on."""
        size = self.denoiser.module.config.sample_size
        h, w = (size, size) if isinstance(size, int) else size
        return w * self.factor, h * self.factor

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, ...]:
        """(1, C, N, h, w) of a clip's latents."""
        return 1, self.denoiser.module.config.in_channels, frames, height // self.factor, width // self.factor

    def clip_frames(self, latent_frames: int) -> int:
        """As many: each frame has a latent frame of its own."""
        return latent_frames

    def encode_text(self, prompts: Sequence[str]) -> list[Tensor]:
        """Features (L, D) of each prompt, float32."""
        return encode_prompts(self.tokenizer, self.text_encoder, prompts)

    def add_image(self, condition: Tensor, image: Tensor, frames: int) -> NoReturn:
        """Raises ModelError: these models take none."""
        raise ModelError(f"{self.name} takes no image; load an image-to-video model, such as Wan's")

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Pixels (N, H, W, 3) in 0..1 to latents (1, C, N, h, w), float32: the mode, few frames at a time."""
        if frames.shape[1] % self.factor or frames.shape[2] % self.factor:
            h, w = frames.shape[1:3]
            raise ModelError(f"frames are {w}x{h}; this model takes sides that are multiples of {self.factor}")
        pixels = (frames.permute(0, 3, 1, 2) * 2 - 1).to(self.device, self.vae.dtype)
        few = _frames_at_once(*pixels.shape[2:])
        latents = [self.vae.encode(part).latent_dist.mode() for part in pixels.split(few)]
        return (torch.cat(latents).float() * self.vae.config.scaling_factor).transpose(0, 1)[None]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (1, C, N, h, w) to pixels (N, H, W, 3) in 0..1 on the CPU, few frames at a time."""
        frames = (latents[0].transpose(0, 1) / self.vae.config.scaling_factor).to(self.vae.dtype)
        few = _frames_at_once(*(self.factor * side for side in frames.shape[2:]))
        pixels = torch.cat([self.vae.decode(part).sample.float().cpu() for part in frames.split(few)])
        return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def _frames_at_once(height: int, width: int) -> int:
    """As many frames as 512x512 pixels hold, so that an autoencoder's memory does not grow with the clip."""
    return max(1, 2**18 // (height * width))


def load_model(folder: Path, device: str | None = None, dtype: torch.dtype | None = None) -> ZeroscopeModel:
    """Load a folder. device: see `choose_device`. dtype: as stored on a GPU that has it; float32 on a CPU,
    where half precision is slow. Raises OptionError for a GPU that is not there, ModelError, one sentence for what is
    wrong.
    """
    variants = _check_folder(folder)
    device = choose_device(device)
    if dtype is None:
        stored = torch.float32 if device == "cpu" else _stored_dtype(folder, variants["unet"])
        dtype = fitting_dtype(device, stored)
    try:
        from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer
    except Exception as reason:  # a broken install of a neighbour (torchaudio, xformers) fails in many ways
        raise ModelError(
            f"diffusers could not be imported ({reason}); repair it: pip install --upgrade diffusers"
        ) from reason
    try:
        unet = UNet3DConditionModel.from_pretrained(
            folder / "unet", torch_dtype=dtype, use_safetensors=True, variant=variants["unet"], local_files_only=True
        )
        vae = AutoencoderKL.from_pretrained(
            folder / "vae", torch_dtype=dtype, use_safetensors=True, variant=variants["vae"], local_files_only=True
        )
        text_encoder = CLIPTextModel.from_pretrained(
            folder / "text_encoder", torch_dtype=dtype, use_safetensors=True,
            variant=variants["text_encoder"], local_files_only=True,
        )  # fmt: skip
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        scheduler = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as reason:
        message = str(reason).strip().splitlines()[0] if str(reason).strip() else type(reason).__name__
        raise ModelError(f"{folder} can't be loaded ({message[:200]}); download the model again") from reason
    kind = scheduler.config.prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise ModelError(f"{folder} predicts {kind!r}; models that predict epsilon or v_prediction are supported")
    schedule = NoiseSchedule(torch.cumprod(1 - scheduler.betas.double(), 0))
    denoiser = UNetDenoiser(unet.eval().to(device), schedule, kind == "v_prediction")
    return ZeroscopeModel(
        folder.name, denoiser, vae.eval().to(device), text_encoder.eval().to(device), tokenizer, _trained_frames(folder)
    )


def stored_dtype(folder: Path) -> torch.dtype:
    """What the folder's UNet is stored in. Raises ModelError for a folder that can't be loaded."""
    return _stored_dtype(folder, _check_folder(folder)["unet"])


def _trained_frames(folder: Path) -> int:
    """What the starter model's record says; other models have none."""
    record = folder / "training.json"
    return int(_read_json(record).get("frames", 0)) if record.is_file() else 0


def _check_folder(folder: Path) -> dict[str, str | None]:
    """The variant of each part's weights. Raises ModelError for what is missing or of another architecture."""
    if folder.is_file():
        raise ModelError(f"{folder} is a single file; {_LAYOUT}")
    if not folder.is_dir():
        raise ModelError(f"{folder} is not there; {_LAYOUT}")
    missing = [part for part, config in _PARTS.items() if not (folder / part / config).is_file()]
    if missing:
        raise ModelError(f"{folder} lacks {', '.join(missing)}; {_LAYOUT}")
    kind = _read_json(folder / "unet" / "config.json").get("_class_name")
    if kind != "UNet3DConditionModel":
        raise ModelError(
            f"{folder} holds a {kind}; a UNet3DConditionModel is needed (ZeroScope, ModelScope, the starter)"
        )
    return {part: _find_variant(folder / part, stem) for part, stem in _WEIGHTS.items()}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise ModelError(f"{path} can't be read ({reason}); download the model again") from reason
    return content if isinstance(content, dict) else {}


def _find_variant(part: Path, stem: str) -> str | None:
    """None for `stem.safetensors`, `fp16` or `bf16` for that variant. Sharded weights have an index instead."""
    for variant in (None, "fp16", "bf16"):
        if any(path.is_file() for path in _weight_files(part, stem, variant)):
            return variant
    pickled = any(part.glob("*.bin"))
    what = "holds only pickled .bin weights, which are not read" if pickled else "holds no weights"
    raise ModelError(
        f"{part} {what}; put {stem}.safetensors there: saving the model with diffusers writes it, see docs/nodes.md"
    )


def _weight_files(part: Path, stem: str, variant: str | None) -> tuple[Path, Path]:
    """Where a part's weights are if they are in one file, and the index of that if they are in several."""
    middle = f".{variant}" if variant else ""
    return part / f"{stem}{middle}.safetensors", part / f"{stem}.safetensors.index{middle}.json"


def _stored_dtype(folder: Path, variant: str | None) -> torch.dtype:
    from safetensors import SafetensorError, safe_open

    whole, index = _weight_files(folder / "unet", _WEIGHTS["unet"], variant)
    try:
        path = whole if whole.is_file() else index.with_name(next(iter(_read_json(index)["weight_map"].values())))
        with safe_open(path, "pt") as file:
            return file.get_tensor(next(iter(file.keys()))).dtype
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as reason:
        raise ModelError(
            f"the weights in {folder / 'unet'} can't be read ({reason!r}); download the model again"
        ) from reason
