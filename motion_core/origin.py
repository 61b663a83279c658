"""Where something learnt comes from, and how a file says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
            "prompt": self.prompt,
            "seed": str(self.seed),
            "recipe": json.dumps(dict(self.recipe), sort_keys=True),
        }

    @classmethod
    def read(cls, about: Mapping[str, str]) -> Origin:
        """What `describe` gave. Raises ValueError or TypeError for what it can't have given."""
        return cls(
            width=int(about.get("width", 0)),
            height=int(about.get("height", 0)),
            fps=float(about.get("fps", 0.0)),
            prompt=about.get("prompt", ""),
            seed=int(about.get("seed", 0)),
            recipe=dict(json.loads(about.get("recipe", "{}"))),
        )
