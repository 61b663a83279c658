"""What today's host lets a node say of itself, each only where the host knows it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from comfy_api.latest import io

AnyInput = TypeVar("AnyInput", bound=io.Input)


def where_known(**said: Any) -> dict[str, Any]:
    """Those of the fields that this host's `io.Schema` has."""
    known = {field.name for field in fields(io.Schema)}
    return {name: value for name, value in said.items() if name in known}


def advanced(given: AnyInput) -> AnyInput:
    """An input that is rarely changed: today's frontend folds it away, an older one shows it like any other."""
    if hasattr(given, "advanced"):
        given.advanced = True
    return given
