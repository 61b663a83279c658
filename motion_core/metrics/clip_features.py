"""Features of frames and prompts from a CLIP model in a transformers folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..device import choose_device
from ..errors import ModelError, first_line
from ..video.pictures.pixels import check_frames, to_bytes

FRAMES_AT_ONCE = 16
_LAYOUT = "give a CLIP folder as transformers saves it, such as openai/clip-vit-large-patch14 with all its files"


@dataclass(frozen=True)
class ClipEncoder:
    """Encodes frames and prompts. model: a transformers CLIPModel, with the processor and tokenizer of its folder."""

    model: Any
    processor: Any
    tokenizer: Any

    @torch.no_grad()
    def encode_frames(self, frames: Tensor) -> Tensor:
        """Encodes frames as (N, D) float32 on the CPU.

        frames: (N, H, W, 3), floats of 0..1. Raises OptionError for other shapes.
        """
        check_frames(frames)
        return torch.cat([self._encode_pixels(part) for part in frames.split(FRAMES_AT_ONCE)])

    def _encode_pixels(self, frames: Tensor) -> Tensor:
        pictures = list(to_bytes(frames).permute(0, 3, 1, 2))  # the processor scales bytes to floats
        pixels = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_first").pixel_values
        pixels = pixels.to(self.model.device, self.model.dtype)
        return self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output).float().cpu()

    @torch.no_grad()
    def encode_text(self, prompt: str) -> Tensor:
        """Encodes a prompt as (D,) float32 on the CPU. A prompt longer than the model's context is cut off."""
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(prompt, truncation=True, max_length=length, return_tensors="pt").to(self.model.device)
        return self.model.text_projection(self.model.text_model(**tokens).pooler_output)[0].float().cpu()


def load_clip(folder: Path, device: str | None = None) -> ClipEncoder:
    """Loads a folder that holds a CLIPModel and its processor as transformers saves them. Downloads nothing.

    device: see `choose_device`. Raises ModelError for a missing, damaged or other model.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; {_LAYOUT}")
    try:
        from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer
    except Exception as reason:  # a broken install of a dependency fails in many ways
        raise ModelError(
            f"transformers could not be imported ({reason}); repair it: pip install --upgrade transformers"
        ) from reason
    try:
        load: Any = CLIPModel.from_pretrained  # its type hints lack the pair that output_loading_info returns
        model, found = load(folder, use_safetensors=True, local_files_only=True, output_loading_info=True)
        processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as reason:  # a damaged file or another model fails in many ways
        raise ModelError(
            f"{folder} can't be loaded as CLIP ({first_line(reason)[:200]}); download it again"
        ) from reason
    if found["missing_keys"]:  # transformers would initialise them at random
        raise ModelError(f"{folder} holds another model, or only part of CLIP's weights; {_LAYOUT}")
    return ClipEncoder(model.eval().float().to(choose_device(device)), processor, tokenizer)
