"""Reads a folder with a Wan in the names of its own checkpoints, and the text part of the starter model.

`transformer.safetensors` and `vae.safetensors` are what ComfyUI's loaders read. `text_encoder/` and `tokenizer/` are a
CLIP's, as transformers saves them, here or in the folder that `training.json` names as `text`: Wan's own text encoder
has five billion weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...device import choose_device
from ...diffusion.flow_schedule import FlowSchedule
from ...errors import ModelError
from ..prompt_features import encode_prompts
from .denoiser import WanCondition, WanDenoiser
from .names import name_in_autoencoder, name_in_transformer

TRANSFORMER, AUTOENCODER = "transformer.safetensors", "vae.safetensors"
TEXT_ENCODER, TOKENIZER, RECORD = "text_encoder", "tokenizer", "training.json"
SHIFT = 8.0
"""ComfyUI's for Wan 2.1."""


@dataclass(frozen=True)
class WanVideoModel:
    """A `VideoModel`. name: its folder's; frames, usual_size: that it was trained on."""

    name: str
    denoiser: WanDenoiser
    vae: Any
    text_encoder: Any
    tokenizer: Any
    frames: int
    usual_size: tuple[int, int]
    factor: int = 8

    @property
    def device(self) -> torch.device:
        return next(self.denoiser.module.parameters()).device

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, ...]:
        latent_frames = (frames + 3) // 4
        return 1, self.vae.config.z_dim, latent_frames, height // self.factor, width // self.factor

    def clip_frames(self, latent_frames: int) -> int:
        return 4 * (latent_frames - 1) + 1

    def encode_text(self, prompts: Sequence[str]) -> list[WanCondition]:
        features = encode_prompts(self.tokenizer, self.text_encoder, prompts)
        return [WanCondition(text) for text in features]

    def add_image(self, condition: WanCondition, image: Tensor, frames: int) -> WanCondition:
        """The frame before gray, encoded, behind a mask that marks it, as Wan's image-to-video models take it."""
        if self.denoiser.module.config.in_channels == self.vae.config.z_dim:
            raise ModelError("this Wan takes no image; load an image-to-video one")
        clip = image.new_full((frames, *image.shape), 0.5)
        clip[0] = image
        latents = self.encode(clip)[0]
        mask = torch.zeros_like(latents[:4])
        mask[:, 0] = 1
        return replace(condition, image=torch.cat([mask, latents]))

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        height, width = frames.shape[1:3]
        if height % (2 * self.factor) or width % (2 * self.factor):
            raise ModelError(f"frames are {width}x{height}; this model takes sides that are multiples of 16")
        whole = frames[: 4 * ((len(frames) - 1) // 4) + 1]  # four frames share a latent frame, except the first
        pixels = (whole.permute(3, 0, 1, 2)[None] * 2 - 1).to(self.device, self.vae.dtype)
        mean, spread = self._statistics(pixels)
        return ((self.vae.encode(pixels).latent_dist.mode() - mean) / spread).float()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        raw = latents.to(self.vae.dtype)
        mean, spread = self._statistics(raw)
        pixels = self.vae.decode(raw * spread + mean).sample[0].float().cpu()
        return (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 3, 0)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of the autoencoder's latents, shaped to scale them."""
        config = self.vae.config
        mean, spread = (torch.tensor(values).to(like) for values in (config.latents_mean, config.latents_std))
        return mean.view(1, -1, 1, 1, 1), spread.view(1, -1, 1, 1, 1)


def load_wan(folder: Path, device: str | None = None) -> WanVideoModel:
    """Loads a folder in float32. Raises OptionError for a GPU that is not there, ModelError."""
    device = choose_device(device)
    try:
        from diffusers import AutoencoderKLWan, WanTransformer3DModel
    except Exception as reason:  # it may be too old for Wan, or a package that it imports is broken
        raise ModelError(
            f"diffusers could not be imported, or has no Wan ({reason}); install or repair it: pip install -U diffusers"
        ) from reason
    weights, metadata = _read(folder / TRANSFORMER)
    transformer: Any = WanTransformer3DModel(**_describe_transformer(weights, metadata))
    _fill(transformer, weights, name_in_transformer)
    weights, _ = _read(folder / AUTOENCODER)
    vae: Any = AutoencoderKLWan(base_dim=weights["decoder.head.0.gamma"].shape[0])
    _fill(vae, weights, name_in_autoencoder)
    record = read_record(folder)
    text = load_text_part(folder, record)
    transformer, vae, encoder = (part.eval().to(device) for part in (transformer, vae, text.text_encoder))
    denoiser = WanDenoiser(transformer, FlowSchedule(SHIFT))
    size = (record.size, record.size)
    return WanVideoModel(folder.name, denoiser, vae, encoder, text.tokenizer, record.frames, size)


class Record(NamedTuple):
    """What the folder says of its model. frames, size: that it was trained on; text: the folder of its text part."""

    frames: int
    size: int
    text: str


class TextPart(NamedTuple):
    """A text encoder of transformers, and its tokenizer."""

    text_encoder: Any
    tokenizer: Any


def read_record(folder: Path) -> Record:
    """Raises ModelError."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Record(int(found["frames"]), int(found["size"]), str(found.get("text", "")))
    except (OSError, ValueError, KeyError, TypeError) as reason:
        raise ModelError(f"{folder} lacks {RECORD} ({reason}); install the pack again") from reason


def load_text_part(folder: Path, record: Record) -> TextPart:
    """Loads it in float32. Raises ModelError."""
    from transformers import CLIPTextModel, CLIPTokenizer

    home = folder / record.text
    try:
        encoder: Any = CLIPTextModel.from_pretrained(home / TEXT_ENCODER, local_files_only=True)
        return TextPart(encoder.float(), CLIPTokenizer.from_pretrained(home / TOKENIZER, local_files_only=True))
    except (OSError, ValueError, TypeError) as reason:
        raise ModelError(f"{folder} lacks its text part ({reason}); install the pack again") from reason


def _describe_transformer(weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of `WanTransformer3DModel`, by the shapes of weights and what the file says besides."""
    known = json.loads(metadata.get("config", "{}")).get("transformer", {})
    width, inputs = weights["patch_embedding.weight"].shape[:2]
    heads = known.get("num_heads", width // 128)
    return {
        "num_attention_heads": heads,
        "attention_head_dim": width // heads,
        "in_channels": inputs,
        "out_channels": weights["head.head.weight"].shape[0] // 4,
        "text_dim": weights["text_embedding.0.weight"].shape[1],
        "freq_dim": weights["time_embedding.0.weight"].shape[1],
        "ffn_dim": weights["blocks.0.ffn.0.weight"].shape[0],
        "num_layers": 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks.")),
    }


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as reason:
        raise ModelError(f"{path} can't be read ({reason}); install the pack again") from reason


def _fill(part: Any, weights: Mapping[str, Tensor], rename: Callable[[str], str]) -> None:
    """Gives a module its weights. Raises ModelError where the file lacks one."""
    missing = [name for name in part.state_dict() if rename(name) not in weights]
    if missing:
        raise ModelError(f"the weights of Wan lack {rename(missing[0])}; download the model again")
    part.load_state_dict({name: weights[rename(name)] for name in part.state_dict()})
