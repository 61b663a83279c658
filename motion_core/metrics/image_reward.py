"""ImageReward (Xu et al. 2023): how much people would like frames as pictures of a prompt."""

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
    """model: the package's."""

    model: Any

    @torch.no_grad()
    def score(self, frames: Tensor, prompt: str) -> Tensor:
        """Mean over frames (N, H, W, 3), floats of 0..1; about 0 on average and mostly in -2..2, higher is better.

        Raises OptionError for other shapes.
        """
        check_frames(frames)
        return torch.tensor([self.model.score(prompt, _to_file(frame)) for frame in frames]).mean()


def _to_file(frame: Tensor) -> BytesIO:
    """The model opens its pictures itself."""
    file = BytesIO()
    to_image(frame).save(file, "PNG")
    return file


def load_image_reward(folder: Path, device: str | None = None) -> ImageReward:
    """Load a folder with ImageReward.pt and med_config.json. device: `cuda` when there is one, else `cpu`.

    The package itself takes the tokenizer of bert-base-uncased from the hub's cache, and would else download it.
    Raises ModelError where the package, a file or that tokenizer is missing, FileError where the weights are damaged.
    """
    try:
        from ImageReward.ImageReward import ImageReward as Model
    except Exception as reason:  # it needs old neighbours, and fails in many ways without them
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
        missing = model.load_state_dict(weights, strict=False).missing_keys  # it may hold buffers of older packages
    except Exception as reason:  # whatever a damaged file or a missing tokenizer makes of it
        raise ModelError(f"{folder} can't be loaded as ImageReward ({reason}); download it again") from reason
    if missing:
        raise ModelError(f"{folder} lacks a part of ImageReward's weights; download it again")
    return ImageReward(model.eval().to(device))


def _require_tokenizer() -> None:
    """Raises ModelError where the hub's cache lacks it, before the package fetches it unasked."""
    from huggingface_hub import try_to_load_from_cache

    if not any(isinstance(try_to_load_from_cache(_TOKENIZER, name), str) for name in ("vocab.txt", "tokenizer.json")):
        raise ModelError(
            f"ImageReward needs the tokenizer {_TOKENIZER}, and it is not in the hub's cache; fetch it with "
            f"`hf download {_TOKENIZER} vocab.txt tokenizer_config.json`"
        )
