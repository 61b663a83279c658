"""What is cheap to compute again is not kept for backward."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from motion_core.memory.freezing import frozen
from motion_core.memory.recomputation import Recomputable, recomputing
from motion_core.memory.tensor_memory import TensorMemory
from tests.conftest import count_hooks, seeded


class GEGLU(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 16)

    def forward(self, x):
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * functional.gelu(gate)


def build():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv1d(8, 8, 1), nn.Flatten(0, -2), nn.Identity()).eval()


def backpropagate(module, x, recomputed):
    x = x.clone().requires_grad_()
    with frozen(module), TensorMemory() as alive:
        if recomputed:
            with recomputing([module]):
                module(x).square().sum().backward()
        else:
            module(x).square().sum().backward()
    return x.grad, alive.peak


def test_a_models_gradients_are_the_same_bits_with_less_kept(either, latents, text):
    found = []
    for recomputed in (False, True):
        z = latents.clone().requires_grad_()
        with (
            frozen(either.module),
            TensorMemory() as alive,
            recomputing([either.module] if recomputed else []) as known,
        ):
            either.predict(z, torch.tensor([500]), text).square().mean().backward()
        assert not known.known and count_hooks(either.module) == 0
        assert not any("forward" in vars(part) for part in either.module.modules())
        found.append((z.grad, alive.peak))
    (plain, most), (recomputed, less) = found
    assert torch.equal(plain, recomputed) and less < 0.9 * most


def test_a_norm_and_its_activation_keep_the_input_alone():
    module, x, packed = build(), seeded(2, 8, 500), []
    with frozen(module), recomputing([module]) as recomputation:

        def note(tensor):
            packed.append(recomputation.pack(tensor))
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            module(x.requires_grad_())
    recomputables = [each for each in packed if isinstance(each, Recomputable)]
    assert len(recomputables) == 2 and all(
        each.kept.data_ptr() == x.data_ptr() for each in recomputables
    )  # for the activation, the convolution
    torch.testing.assert_close(recomputables[1].compute(), functional.silu(module[0](x)))


def test_a_gate_is_computed_again():
    module, x = GEGLU(), seeded(300, 8)
    (plain, most), (recomputed, less) = backpropagate(module, x, False), backpropagate(module, x, True)
    assert torch.equal(plain, recomputed) and less < most


def test_a_tensor_that_was_written_to_is_kept():
    norm, x = nn.GroupNorm(2, 8), seeded(2, 8, 50)
    gradients = []
    for recomputed in (False, True):
        z = x.clone().requires_grad_()
        with recomputing([norm] if recomputed else []):
            y = norm(z)
            y += 1
            y.square().sum().backward()
        gradients.append(z.grad)
    assert torch.equal(*gradients)


@pytest.mark.parametrize("view", [lambda y: y[:, :4], lambda y: y.transpose(1, 2), lambda y: y.flatten()])
def test_a_part_or_another_shape_is_kept(view):
    norm, x = nn.GroupNorm(2, 8), seeded(2, 8, 50)
    gradients = []
    for recomputed in (False, True):
        z = x.clone().requires_grad_()
        with recomputing([norm] if recomputed else []):
            view(norm(z)).square().sum().backward()
        gradients.append(z.grad)
    assert torch.equal(*gradients)


def test_a_tensor_that_autocast_converted_is_kept():
    """Backward does not know the context of autocast."""
    conv, norm, x = nn.Conv1d(8, 8, 1), nn.GroupNorm(2, 8), seeded(2, 8, 50)
    gradients = []
    for recomputed in (False, True):
        z = x.clone().requires_grad_()
        with recomputing([norm] if recomputed else []):
            with torch.autocast("cpu", torch.bfloat16):
                y = norm(conv(z))
            y.square().sum().backward()
        gradients.append(z.grad)
    assert torch.equal(*gradients)


def test_a_forward_that_a_host_swaps_on_the_class_is_run(monkeypatch):
    """As AnimateDiff-Evolved does with group norms for v1 motion modules, in the forward alone."""
    norm, x = nn.GroupNorm(2, 8), seeded(2, 8, 50)
    with recomputing([norm]):
        with monkeypatch.context() as swapped:
            swapped.setattr(nn.GroupNorm, "forward", lambda self, x: functional.group_norm(2 * x + 1, 1))
            z = x.clone().requires_grad_()
            y = norm(z)
        torch.testing.assert_close(y, functional.group_norm(2 * x + 1, 1))
        y.square().mul(x).sum().backward()  # after the swap
    own = x.clone().requires_grad_()
    functional.group_norm(2 * own + 1, 1).square().mul(x).sum().backward()
    assert torch.equal(z.grad, own.grad)


def test_forwards_are_put_back_after_the_block():
    norm = nn.GroupNorm(2, 8)
    with pytest.raises(KeyboardInterrupt), recomputing([norm]):
        raise KeyboardInterrupt
    assert "forward" not in vars(norm)
