"""What a run may not change: all that is in a model, and what torch keeps for everybody."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

State = dict[str, Any]
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def take_state(module: nn.Module) -> State:
    """Everything of a model, its classes' forwards and torch, by a name that tells what has changed."""
    state = {f"tensor {name}": _describe(tensor) for name, tensor in _tensors_of(module)}
    for name, part in module.named_modules():
        state[f"hooks of {name}"] = sum(len(getattr(part, hooks)) for hooks in HOOKS)
        state[f"flags of {name}"] = (part.training, "forward" in vars(part), sorted(vars(part)))
        state[f"forward of {type(part).__name__}"] = type(part).forward
    return {**state, **_take_torch_state()}


def find_changes(before: State, after: State) -> list[str]:
    """The names under which two states differ."""
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def digest(tensor: Tensor) -> str:
    """Says whether two tensors are the same to the bit."""
    content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.sha256(content).hexdigest()}"


def _tensors_of(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False))


def _describe(tensor: Tensor) -> tuple[Any, ...]:
    return (digest(tensor), str(tensor.device), tensor.requires_grad, tensor.grad is None, tensor.is_inference())


def _take_torch_state() -> State:
    return {
        "torch's random state": digest(torch.get_rng_state()),
        "Python's random state": random.getstate(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "default dtype": torch.get_default_dtype(),
        "hooks on saved tensors": torch._C._autograd._top_saved_tensors_default_hooks(True),
        "function modes": len(_get_current_function_mode_stack()),
        "dispatch modes": len(_get_current_dispatch_mode_stack()),
    }
