"""Features of newer hosts, used only where the host has them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from comfy_api.latest import io

AnyInput = TypeVar("AnyInput", bound=io.Input)


def if_known(**values: Any) -> dict[str, Any]:
    """Returns those of the fields that this host's `io.Schema` has."""
    known = {field.name for field in fields(io.Schema)}
    return {name: value for name, value in values.items() if name in known}


def advanced(given: AnyInput) -> AnyInput:
    """Marks an input as rarely changed. Newer frontends fold it away, older ones show it like any other."""
    if hasattr(given, "advanced"):
        given.advanced = True
    return given
