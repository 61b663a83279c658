"""Parts of a schema that only newer hosts know."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from comfy_api.latest import io

AnyInput = TypeVar("AnyInput", bound=io.Input)


def if_known(**facts: Any) -> dict[str, Any]:
    """Returns those of the facts that are fields of this host's `io.Schema`."""
    known = {field.name for field in fields(io.Schema)}
    return {name: value for name, value in facts.items() if name in known}


def advanced(given: AnyInput) -> AnyInput:
    """Marks an input that is rarely changed. Newer frontends fold it away, older ones show it like any other."""
    if hasattr(given, "advanced"):
        given.advanced = True
    return given
