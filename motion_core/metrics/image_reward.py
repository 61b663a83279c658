"""ImageReward (Xu et al. 2023): a learnt score of how much people prefer a picture for a prompt."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..device import choose_device
from ..errors import ModelError
from ..files.pickle_file import read_pickle
from ..video.pictures.pixels import check_frames, to_image

_FILES = ("ImageReward.pt", "med_config.json")
_TOKENIZER = "bert-base-uncased"


@dataclass(frozen=True)
class ImageReward:
    """Scores frames. model: the one that the ImageReward package builds."""

    model: Any

    @torch.no_grad()
    def score(self, frames: Tensor, prompt: str) -> Tensor:
        """Mean reward of the frames: about 0 on average and mostly in -2..2. Higher is better.

        frames: (N, H, W, 3), floats of 0..1. Raises OptionError for other shapes.
        """
        check_frames(frames)
        return torch.tensor([self.model.score(prompt, _to_png(frame)) for frame in frames]).mean()


def _to_png(frame: Tensor) -> BytesIO:
    """A frame as a PNG in memory, because the package opens image files itself."""
    file = BytesIO()
    to_image(frame).save(file, "PNG")
    return file


def load_image_reward(folder: Path, device: str | None = None) -> ImageReward:
    """Loads a folder with ImageReward.pt and med_config.json. Downloads nothing.

    The package takes the tokenizer of bert-base-uncased from the Hugging Face cache. Where the cache lacks it, the
    package would download it. device: see `choose_device`.
    Raises ModelError where the package, a file or that tokenizer is missing, FileError where the weights are damaged.
    """
    try:
        from ImageReward.ImageReward import ImageReward as Model
    except Exception as reason:  # it needs old versions of its dependencies, and fails in many ways without them
        raise ModelError(
            f"ImageReward could not be imported ({reason}); pip install image-reward, or leave this score out"
        ) from reason
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder} lacks {', '.join(missing)}; put the files of THUDM/ImageReward there")
    _require_tokenizer()
    device = choose_device(device)
    weights = read_pickle(folder / "ImageReward.pt", "ImageReward.pt")
    try:
        model = Model(med_config=str(folder / "med_config.json"), device=device)
        missing = model.load_state_dict(
            weights, strict=False
        ).missing_keys  # the file may hold buffers of older versions
    except Exception as reason:  # a damaged file or a missing tokenizer fails in many ways
        raise ModelError(f"{folder} can't be loaded as ImageReward ({reason}); download it again") from reason
    if missing:
        raise ModelError(f"{folder} lacks a part of ImageReward's weights; download it again")
    return ImageReward(model.eval().to(device))


def _require_tokenizer() -> None:
    """Raises ModelError if the Hugging Face cache lacks the tokenizer. The package would download it unasked."""
    from huggingface_hub import try_to_load_from_cache

    if not any(isinstance(try_to_load_from_cache(_TOKENIZER, name), str) for name in ("vocab.txt", "tokenizer.json")):
        raise ModelError(
            f"ImageReward needs the tokenizer {_TOKENIZER}, and it is not in the Hugging Face cache; download it with "
            f"`hf download {_TOKENIZER} vocab.txt tokenizer_config.json`"
        )
