"""Keeps what a model computes before its first trained site, so that the same noised clip need not pay for it twice.

The model's own forward runs as it is. A call that ends before the first site begins can't depend on what is trained:
its module gives its kept output instead of computing. Which calls those are is seen from a forward, so nothing of a
model's build is assumed. Only outputs that something else looks at are kept (the skip connections and the hidden
state); for the others a tensor of the same shape that holds one number stands in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import ModelError
from ..memory.checkpointing import wrapped
from ..models.sites import AttentionSite

Forward = Callable[..., Any]
State = dict[nn.Module, Any]
"""The kept outputs of the modules, for one noised clip."""
SAME = 1e-3
"""How far, relative to its largest number, a prediction may be from itself where kernels do not repeat exactly."""


class Prefix:
    """What of a model comes before its first trained site.

    needed: the modules that need not run again, the largest that lie wholly before it, each with which tensors of its
    output something else looks at. size: bytes of one state. home: where states are kept; None: where they were made.
    """

    def __init__(self, needed: dict[nn.Module, list[bool]], size: int):
        self.needed, self.size = needed, size
        self.home: torch.device | None = None
        self.state: State | None = None

    @classmethod
    def find(cls, module: nn.Module, sites: Sequence[AttentionSite], predict: Callable[[], Tensor]) -> Prefix:
        """predict: runs the model, always on the same. Raises ModelError where it does not predict the same again
        from what is kept.
        """
        with torch.no_grad():
            prefix, first = cls.trace(module, sites, predict)
            with prefix.at_work():
                prefix.state = {}
                predict()
                again = predict()
        if not prefix.needed or (again - first).abs().max() > SAME * first.abs().max():
            raise ModelError("what this model computes before its first trained site can't be kept; set pool to 0")
        return prefix

    @classmethod
    def trace(
        cls, module: nn.Module, sites: Sequence[AttentionSite], predict: Callable[[], Tensor]
    ) -> tuple[Prefix, Tensor]:
        """As `find`, with what was predicted, and without trying it out: numbers don't matter, shapes are enough."""
        needed, size, predicted = _find_needed(_find_early(module, sites, predict), predict)
        return cls(needed, size), predicted

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within the block a forward takes outputs from `state`, or keeps them there; without a state it computes."""
        with wrapped(list(self.needed), self._thrifty):
            try:
                yield
            finally:
                self.state = None

    def _thrifty(self, module: nn.Module, forward: Forward) -> Forward:
        def run(*args: Any, **kwargs: Any) -> Any:
            if self.state is None:
                return forward(*args, **kwargs)
            if module in self.state:
                return _map(lambda kept: kept.give(), self.state[module], (_Kept, _StandIn))
            output = forward(*args, **kwargs)
            needed = iter(self.needed[module])
            self.state[module] = _map(lambda t: _Kept.of(t, self.home) if next(needed) else _StandIn.of(t), output)
            return output

        return run


@dataclass(frozen=True, eq=False)
class _Kept:
    tensor: Tensor
    device: torch.device

    @classmethod
    def of(cls, tensor: Tensor, home: torch.device | None) -> _Kept:
        copy = tensor.detach().to(home or tensor.device, copy=True)
        return cls(copy.pin_memory() if tensor.is_cuda and not copy.is_cuda else copy, tensor.device)

    def give(self) -> Tensor:
        """A copy, as a host may write into what it is given."""
        return self.tensor.to(self.device, copy=True, non_blocking=True)


@dataclass(frozen=True, eq=False)
class _StandIn:
    shape: torch.Size
    one: Tensor

    @classmethod
    def of(cls, tensor: Tensor) -> _StandIn:
        return cls(tensor.shape, tensor.new_zeros(()))

    def give(self) -> Tensor:
        return self.one.expand(self.shape)


@dataclass(eq=False)
class _Call:
    """A call of a module, with the calls within it. early: it ended before the first site began, with an output that
    can be kept.
    """

    module: nn.Module | None = None
    early: bool = False
    within: list[_Call] = field(default_factory=list)

    def find_largest(self) -> Iterator[nn.Module]:
        for call in self.within:
            if call.early and call.module is not None:
                yield call.module
            else:
                yield from call.find_largest()


def _find_early(module: nn.Module, sites: Sequence[AttentionSite], predict: Callable[[], Tensor]) -> list[nn.Module]:
    """The largest modules whose only call ends before any site's begins."""
    first = {layer for site in sites for layer in (site.to_q, site.to_k, site.to_v)}
    count: Counter[nn.Module] = Counter()
    root = _Call()
    stack, reached = [root], False

    def watched(part: nn.Module, forward: Forward) -> Forward:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal reached
            reached = reached or part in first
            call = _Call(part)
            count[part] += 1
            stack[-1].within.append(call)
            stack.append(call)
            output = forward(*args, **kwargs)
            stack.pop()
            call.early = not reached and _is_plain(output)
            return output

        return run

    with wrapped(list(module.modules()), watched):
        predict()
    _forget_repeated(root, count)
    return list(root.find_largest())


def _forget_repeated(call: _Call, count: Counter[nn.Module]) -> None:
    """Outputs are kept by module, so one that is called twice computes."""
    for each in call.within:
        _forget_repeated(each, count)
        if each.module is not None and count[each.module] > 1:
            each.early = False


def _find_needed(
    early: Sequence[nn.Module], predict: Callable[[], Tensor]
) -> tuple[dict[nn.Module, list[bool]], int, Tensor]:
    """For each module which tensors of its output are looked at by something else; their bytes; what was predicted."""
    watch = _Watch()

    def watched(part: nn.Module, forward: Forward) -> Forward:
        def run(*args: Any, **kwargs: Any) -> Any:
            watch.inside += 1
            try:
                output = forward(*args, **kwargs)
            finally:
                watch.inside -= 1
            watch.made[part] = list(_tensors_in(output))
            watch.known |= {_address(tensor) for tensor in watch.made[part]}
            return output

        return run

    with wrapped(list(early), watched), watch:
        predicted = predict()
    needed = {part: [_address(tensor) in watch.seen for tensor in made] for part, made in watch.made.items()}
    kept = {
        _address(tensor): tensor.nbytes
        for part, made in watch.made.items()
        for tensor, wanted in zip(made, needed[part], strict=True)
        if wanted
    }
    return needed, sum(kept.values()), predicted


class _Watch(TorchDispatchMode):
    """Notes which known tensors are looked at outside the watched modules."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = 0
        self.made: dict[nn.Module, list[Tensor]] = {}
        self.known: set[int] = set()
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.inside:
            self.seen |= self.known & {_address(tensor) for tensor in _tensors_in((list(args), kwargs or {}))}
        return func(*args, **(kwargs or {}))


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _tensors_in(value: Any) -> list[Tensor]:
    """Each tensor once, in order."""
    found: list[Tensor] = []
    _map(lambda tensor: found.append(tensor), value)
    return found


def _map(change: Callable[[Any], Any], value: Any, kinds: Any = Tensor) -> Any:
    """The same structure with `change` of each leaf of these kinds, once for a leaf that stands in several places."""
    changed: dict[int, Any] = {}

    def visit(part: Any) -> Any:
        if isinstance(part, kinds):
            if id(part) not in changed:
                changed[id(part)] = change(part)
            return changed[id(part)]
        if isinstance(part, dict):
            return {name: visit(own) for name, own in part.items()}
        return type(part)(visit(own) for own in part) if type(part) in (tuple, list) else part

    return visit(value)


def _is_plain(value: Any) -> bool:
    """Whether it is made of tensors, tuples, lists and dicts alone, so that it can be built again."""
    if type(value) in (tuple, list):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, (Tensor, bool, int, float, str))
