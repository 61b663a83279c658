"""Features of frames and prompts from a CLIP model in a transformers folder, for the scores that take them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..device import choose_device
from ..errors import ModelError
from ..video.pictures.pixels import check_frames, to_bytes

FRAMES_AT_ONCE = 16
_LAYOUT = "give a folder of CLIP as transformers saves it, like openai/clip-vit-large-patch14 with all its files"


@dataclass(frozen=True)
class ClipEncoder:
    """model: a transformers CLIPModel; the processor and the tokenizer are the folder's."""

    model: Any
    processor: Any
    tokenizer: Any

    @torch.no_grad()
    def encode_frames(self, frames: Tensor) -> Tensor:
        """(N, D) float32 on the CPU of frames (N, H, W, 3), floats of 0..1. Raises OptionError for other shapes."""
        check_frames(frames)
        return torch.cat([self._encode_pixels(part) for part in frames.split(FRAMES_AT_ONCE)])

    def _encode_pixels(self, frames: Tensor) -> Tensor:
        pictures = list(to_bytes(frames).permute(0, 3, 1, 2))  # bytes, for which the processor's scale is made
        pixels = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_first").pixel_values
        seen = self.model.vision_model(pixel_values=pixels.to(self.model.device, self.model.dtype)).pooler_output
        return self.model.visual_projection(seen).float().cpu()

    @torch.no_grad()
    def encode_text(self, prompt: str) -> Tensor:
        """(D,) float32 on the CPU. What is longer than the model reads is cut off."""
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(prompt, truncation=True, max_length=length, return_tensors="pt").to(self.model.device)
        read = self.model.text_model(**tokens).pooler_output
        return self.model.text_projection(read)[0].float().cpu()


def load_clip(folder: Path, device: str | None = None) -> ClipEncoder:
    """Load a folder as transformers saves a CLIPModel and its processor. device: `cuda` when there is one, else `cpu`.

    Nothing is downloaded. Raises ModelError, one sentence for what is wrong.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; {_LAYOUT}")
    try:
        from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer
    except Exception as reason:  # a broken install of a neighbour fails in many ways
        raise ModelError(
            f"transformers could not be imported ({reason}); repair it: pip install --upgrade transformers"
        ) from reason
    try:
        load: Any = CLIPModel.from_pretrained  # its types know nothing of the pair
        model, found = load(folder, use_safetensors=True, local_files_only=True, output_loading_info=True)
        processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as reason:  # whatever a damaged file or another model's makes of it
        said = str(reason).strip().splitlines()[:1] or [type(reason).__name__]
        raise ModelError(f"{folder} can't be loaded as CLIP ({said[0][:200]}); download it again") from reason
    if found["missing_keys"]:  # transformers would draw them at random
        raise ModelError(f"{folder} holds another model, or a part of CLIP's weights; {_LAYOUT}")
    return ClipEncoder(model.eval().float().to(choose_device(device)), processor, tokenizer)
