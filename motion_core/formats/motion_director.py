"""MotionDirector's own files: a list of tensors, up (out, r) and down (r, in) of one layer after the other, no names.

Its code writes one list for the temporal and one for the spatial path, over the attention and feed-forward layers
(within frames: self-attention and feed-forward) in the order in which the model holds them, and no alpha.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from ..errors import FileError, ModelError, OptionError
from ..files.pickle_file import read_pickle
from ..files.reading import checked_numbers
from ..models.families import recognize
from ..models.layers import Layer, select_layers
from ..motions.adapter import Adapter
from ..motions.adapter_parts import LowRank
from ..motions.origin import Origin

_PATHS = ("temporal_transformer", "spatial_transformer")


def read_motion_director(path: str | os.PathLike[str], module: nn.Module) -> Adapter:
    """Read a list and give its tensors the names of the model's layers, without running anything in it.

    Raises FileError when the list does not fit the layers of exactly one path in number, order and shapes.
    """
    pairs = _read_pairs(Path(path))
    model = recognize(module)
    which, layers = find_fitting_path(Path(path).name, pairs, model.list_layers())
    parts = {layer.name: pair for layer, pair in zip(layers, pairs, strict=True)}
    recipe = {"method": "motiondirector, official file", "layers": which}
    return Adapter(model.family.name, parts, Origin(recipe=recipe))


def _read_pairs(path: Path) -> list[LowRank]:
    stored = read_pickle(path, "list of MotionDirector's")
    tensors = isinstance(stored, list) and all(isinstance(t, Tensor) for t in stored)
    if not stored or not tensors or len(stored) % 2:
        raise FileError(f"{path.name} holds something else than MotionDirector's list of ups and downs; check the file")
    numbers = list(checked_numbers(path, {f"tensor {number}": t for number, t in enumerate(stored)}).values())
    try:
        return [LowRank(down, up) for up, down in zip(numbers[::2], numbers[1::2], strict=True)]
    except OptionError as reason:
        raise FileError(f"{path.name} is no list of MotionDirector's ({reason}); check the file") from reason


def find_fitting_path(name: str, pairs: Sequence[LowRank], layers: Sequence[Layer]) -> tuple[str, list[Layer]]:
    """The one path (its selection's word and layers) that the pairs of a file called `name` fit. Raises FileError."""
    shapes = [pair.shape for pair in pairs]
    paths = {which: _select(layers, which) for which in _PATHS}
    fitting = [which for which, chosen in paths.items() if [layer.shape for layer in chosen] == shapes]
    if len(fitting) != 1:
        counts = " and ".join(f"{len(chosen)} of {which}" for which, chosen in paths.items())
        fitted = "both paths, so which is meant can't be seen" if fitting else "neither path"
        raise FileError(
            f"{name} holds {len(pairs)} pairs, which fit {fitted} of this model ({counts}); "
            "give a list that was trained on this model"
        )
    return fitting[0], paths[fitting[0]]


def _select(layers: Sequence[Layer], which: str) -> list[Layer]:
    try:
        return select_layers(layers, which)
    except ModelError:
        return []
