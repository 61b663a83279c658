"""Where a motion comes from, and how a file records it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .thumbnail import describe_preview, read_preview

_MOST = {"width": 2**16, "height": 2**16, "fps": 1e5, "seed": 2**64 - 1}
_CHECKED: dict[str, Any] = {"apply": dict, "frames": int, "noise": str, "beta": (int, float)}
"""The entries of a recipe that sampling uses, and the types that they may have."""
_WORDS = ("debias", "branches")
"""The entries of a recipe's `apply` that are words; the others are numbers."""


@dataclass(frozen=True)
class ReferenceInfo:
    """What is known of a reference and of the model. width, height: pixels; model: its name; 0 and "" where unknown."""

    width: int = 0
    height: int = 0
    fps: float = 0.0
    prompt: str = ""
    model: str = ""


UNKNOWN = ReferenceInfo()


@dataclass(frozen=True)
class Origin:
    """Where a motion comes from: the reference clip (pixels, frames a second), its prompt, and how it was trained.

    recipe: the settings of the training, with `apply` for how the motion is best applied; preview: a small WebP of the
    reference or of what was made with the motion, empty for none.
    """

    width: int = 0
    height: int = 0
    fps: float = 0.0
    prompt: str = ""
    seed: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    preview: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, info: ReferenceInfo, seed: int, recipe: Mapping[str, Any]) -> Origin:
        """Makes the origin of a motion that has just been trained."""
        return cls(info.width, info.height, info.fps, info.prompt, seed, {**recipe, "model": info.model})

    @property
    def suggestion(self) -> Mapping[str, Any]:
        """How the motion is best applied: fields of its apply settings."""
        return self.recipe.get("apply", {})

    def describe(self) -> dict[str, str]:
        """Returns the metadata of a file: strings, as safetensors requires, with JSON for the recipe."""
        return {
            "width": str(self.width),
            "height": str(self.height),
            "fps": repr(self.fps),
            "prompt": self.prompt.encode("utf-8", "replace").decode(),  # half a character has no UTF-8
            "seed": str(self.seed),
            "recipe": json.dumps(dict(self.recipe), sort_keys=True),
            **describe_preview(self.preview),
        }

    @classmethod
    def read(cls, about: Mapping[str, str]) -> Origin:
        """Reads what `describe` wrote. Raises ValueError, TypeError or RecursionError for anything else."""
        origin = cls(
            width=int(about.get("width", 0)),
            height=int(about.get("height", 0)),
            fps=float(about.get("fps", 0.0)),
            prompt=about.get("prompt", ""),
            seed=int(about.get("seed", 0)),
            recipe=dict(json.loads(about.get("recipe", "{}"))),
            preview=read_preview(about),
        )
        for name, most in _MOST.items():
            if not 0 <= getattr(origin, name) <= most:
                raise ValueError(f"{name} {getattr(origin, name)}")
        _check_recipe(origin.recipe)
        return origin


def _check_recipe(recipe: Mapping[str, Any]) -> None:
    """Raises ValueError for an entry that sampling uses and that has the wrong type, and for deep nesting."""
    if not _is_shallow(dict(recipe)):
        raise ValueError("a recipe nested that deeply")
    for name, kinds in _CHECKED.items():
        if name in recipe and (not isinstance(recipe[name], kinds) or isinstance(recipe[name], bool)):
            raise ValueError(f"a recipe's {name} of {str(recipe[name])[:100]!r}")
    for name, value in recipe.get("apply", {}).items():
        if not isinstance(value, str if name in _WORDS else (int, float)):
            raise ValueError(f"a recipe's {name} of {str(value)[:100]!r}")


def _is_shallow(value: Any, levels: int = 8) -> bool:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return not inner or (levels > 0 and all(_is_shallow(one, levels - 1) for one in inner))
