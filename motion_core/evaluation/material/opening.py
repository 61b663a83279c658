"""Opens the material that a suite names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import OptionError
from .filmed import Filmed
from .protocol import Material
from .synthetic import Synthetic

_KINDS: dict[str, Callable[..., Material]] = {"synthetic": Synthetic.of, "filmed": Filmed.of}


def open_material(settings: Mapping[str, Any]) -> Material:
    """Opens the material of a kind: `synthetic` (the starter model's) or `filmed` (files). Raises MotionError."""
    given = dict(settings)
    kind = given.pop("kind", None)
    if kind not in _KINDS:
        raise OptionError(f"material has the kind {kind!r}; use one of {', '.join(_KINDS)}")
    try:
        return _KINDS[kind](**given)
    except TypeError as reason:
        raise OptionError(f"{kind} material can't be made of this ({reason}); see the suites that ship") from reason
