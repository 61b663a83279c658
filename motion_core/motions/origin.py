"""Where something learnt comes from, and how a file says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST = {"width": 2**16, "height": 2**16, "fps": 1e5, "seed": 2**64 - 1}
_OBEYED: dict[str, Any] = {"apply": dict, "frames": int, "noise": str, "beta": (int, float)}
"""Words of a recipe that sampling obeys, and the types that they may have."""
_WORDS = ("debias", "branches")
"""What of a recipe's `apply` is a word; the rest are numbers."""


@dataclass(frozen=True)
class Origin:
    """Where a motion comes from: the reference clip (pixels, frames a second) and how it was learnt."""

    width: int = 0
    height: int = 0
    fps: float = 0.0
    prompt: str = ""
    seed: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, str]:
        """The metadata of a file: strings, as safetensors wants them, with JSON for the recipe."""
        return {
            "width": str(self.width),
            "height": str(self.height),
            "fps": repr(self.fps),
            "prompt": self.prompt.encode("utf-8", "replace").decode(),  # half a character has no UTF-8
            "seed": str(self.seed),
            "recipe": json.dumps(dict(self.recipe), sort_keys=True),
        }

    @classmethod
    def read(cls, about: Mapping[str, str]) -> Origin:
        """What `describe` gave. Raises ValueError, TypeError or RecursionError for what it can't have given."""
        origin = cls(
            width=int(about.get("width", 0)),
            height=int(about.get("height", 0)),
            fps=float(about.get("fps", 0.0)),
            prompt=about.get("prompt", ""),
            seed=int(about.get("seed", 0)),
            recipe=dict(json.loads(about.get("recipe", "{}"))),
        )
        for name, most in _MOST.items():
            if not 0 <= getattr(origin, name) <= most:
                raise ValueError(f"{name} {getattr(origin, name)}")
        _check_recipe(origin.recipe)
        return origin


def _check_recipe(recipe: Mapping[str, Any]) -> None:
    """Raises ValueError where what is obeyed later has another type than it can have, or the whole is no recipe."""
    if not _is_shallow(dict(recipe)):
        raise ValueError("a recipe nested that deeply")
    for name, kinds in _OBEYED.items():
        if name in recipe and (not isinstance(recipe[name], kinds) or isinstance(recipe[name], bool)):
            raise ValueError(f"a recipe's {name} of {str(recipe[name])[:100]!r}")
    for name, value in recipe.get("apply", {}).items():
        if not isinstance(value, str if name in _WORDS else (int, float)):
            raise ValueError(f"a recipe's {name} of {str(value)[:100]!r}")


def _is_shallow(value: Any, levels: int = 8) -> bool:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return not inner or (levels > 0 and all(_is_shallow(one, levels - 1) for one in inner))
