"""The gradients of every adapter method against the papers' equations, written out naively, on a UNet of four levels in
float64. Nothing of the pack computes the expected side but the draw of the noise: no hook, no objective, no schedule.
"""

from __future__ import annotations

import copy
import math
from contextlib import ExitStack

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from motion_core.diffusion.noise_samples import NoiseSample
from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.models.families import recognize
from motion_core.models.layers import select_layers
from motion_core.models.zeroscope.denoiser import UNetDenoiser
from motion_core.motions.adapter import Adapter
from motion_core.recipes.catalogue import find_recipe
from motion_core.recipes.loss_term import MOTION
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.feature_matching import FeatureSites
from motion_core.training.parts import TrainedParts
from motion_core.training.step_losses import StepLosses
from tests.conftest import seeded

T, ANCHOR = 640, 2


@pytest.fixture(scope="module")
def double(unet):
    return copy.deepcopy(unet).double().requires_grad_(False)


@pytest.fixture(scope="module")
def clean(latents):
    return latents.double()


@pytest.fixture(scope="module")
def words(text):
    return text[0].double()


def alpha_bar(t: int) -> float:
    """Stable Diffusion's schedule: betas whose roots are evenly spaced."""
    roots = [0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * i / 999 for i in range(1000)]
    return math.prod(1 - root**2 for root in roots[: t + 1])


def add_noise(x0: Tensor, eps: Tensor, t: int) -> Tensor:
    return alpha_bar(t) ** 0.5 * x0 + (1 - alpha_bar(t)) ** 0.5 * eps


def ddim_step(z: Tensor, eps: Tensor, t: int) -> Tensor:
    x0 = (z - (1 - alpha_bar(t)) ** 0.5 * eps) / alpha_bar(t) ** 0.5
    return add_noise(x0, eps, t - 1)


def start_adapter(module: nn.Module, layers: str) -> Adapter:
    """Returns a small random change of whole weights."""
    chosen = select_layers(recognize(module).list_layers(), layers)
    adapter = Adapter.deltas("zeroscope", chosen)
    seeds = iter(range(10_000))
    return adapter.map(lambda t: (0.02 * seeded(*t.shape, seed=next(seeds)).double()).requires_grad_())


def changed_weights(module: nn.Module, adapter: Adapter) -> dict[str, Tensor]:
    """Returns W + dW by the names of torch."""
    names = {part: name for name, part in module.named_modules()}
    weights = {}
    for layer in recognize(module).list_layers():
        if layer.name in adapter.parts:
            own = layer.module
            tensors = adapter.parts[layer.name].tensors
            weights[f"{names[own]}.weight"] = own.weight + tensors[0]
            if own.bias is not None:
                weights[f"{names[own]}.bias"] = own.bias + tensors[1]
    return weights


def naive_vmc(predicted: Tensor, eps: Tensor) -> Tensor:
    """VMC, eq. 13: residuals of neighbouring frames, one vector for each pair."""
    terms = []
    for n in range(eps.shape[2] - 1):
        ours = (predicted[0, :, n + 1] - predicted[0, :, n]).flatten()
        true = (eps[0, :, n + 1] - eps[0, :, n]).flatten()
        terms.append(1 - ours @ true / (ours.norm() * true.norm()))
    return sum(terms) / len(terms)


def naive_motion_director(predicted: Tensor, eps: Tensor) -> Tensor:
    """MotionDirector, eq. 5 to 7: the diffusion loss and, with beta 1, the debiased one."""

    def phi(noise: Tensor) -> Tensor:
        return torch.stack([2**0.5 * noise[0, :, n] - noise[0, :, ANCHOR] for n in range(noise.shape[2])])

    return ((predicted - eps) ** 2).mean() + ((phi(predicted) - phi(eps)) ** 2).mean()


def naive_diffusion(predicted: Tensor, eps: Tensor) -> Tensor:
    return ((predicted - eps) ** 2).mean()


def read_maps(module: nn.Module, names: list[str], z: Tensor, t: int, words: Tensor) -> Tensor:
    """Returns the mean map over heads and layers, softmax(q k^T / sqrt(d)), of a whole forward."""
    seen: dict[tuple[str, str], Tensor] = {}
    with ExitStack() as hooks:
        for name in names:
            attention = module.get_submodule(name)
            for role in ("to_q", "to_k"):

                def note(
                    _layer: nn.Module, _inputs: object, output: Tensor, key: tuple[str, str] = (name, role)
                ) -> None:
                    seen[key] = output

                hooks.callback(getattr(attention, role).register_forward_hook(note).remove)
        module(z, torch.tensor([t]), encoder_hidden_states=words[None])
    maps = []
    for name in names:
        heads = module.get_submodule(name).heads
        q, k = seen[name, "to_q"].chunk(heads, -1), seen[name, "to_k"].chunk(heads, -1)
        maps += [torch.softmax(a @ b.mT / a.shape[-1] ** 0.5, -1) for a, b in zip(q, k, strict=True)]
    return torch.stack(maps).mean(0)


def naive_motion_matcher(module: nn.Module, z: Tensor, predicted: Tensor, eps: Tensor, words: Tensor) -> Tensor:
    """MotionMatcher, eq. 4 to 7 with the code's mean and weights: maps of the model as it was, a step further."""
    sites, total = FeatureSites.find(recognize(module)), torch.zeros((), dtype=torch.float64)
    for names in (sites.temporal, sites.cross):
        found = read_maps(module, names, ddim_step(z, predicted, T), T - 1, words)
        wanted = read_maps(module, names, ddim_step(z, eps, T), T - 1, words)
        total = total + 2000 * ((found - wanted) ** 2).mean()
    return total


@pytest.mark.parametrize("name", ["vmc", "motion_director", "customizing_motion", "motion_matcher"])
def test_gradients_are_those_of_the_papers_equations(name, double, clean, words):
    recipe = find_recipe(name, "published")
    adapter = start_adapter(double, recipe.layers)
    eps = seeded(*clean.shape, seed=5).double()
    denoiser = UNetDenoiser(double, NoiseSchedule.scaled_linear())
    references = ReferenceSet([Example(clean, words)])
    parts = TrainedParts({MOTION: adapter}, ())
    with ExitStack() as stack:
        switches = parts.attach(denoiser, stack)
        losses = StepLosses(
            denoiser, recognize(double), recipe, references, parts=parts, switches=switches, seed=0
        )  # fmt: skip
        ours = losses.evaluate(NoiseSample(0, torch.tensor([T]), ANCHOR, eps))
        gradients = torch.autograd.grad(ours, adapter.parameters)

    z = add_noise(clean, eps, T)
    arguments = (z, torch.tensor([T]), words[None])
    predicted = functional_call(double, changed_weights(double, adapter), arguments).sample
    if name == "motion_matcher":
        naive = naive_motion_matcher(double, z, predicted, eps, words)
    else:
        formulas = {
            "vmc": naive_vmc,
            "motion_director": naive_motion_director,
            "customizing_motion": naive_diffusion,
        }
        naive = formulas[name](predicted, eps)
    expected = torch.autograd.grad(naive, adapter.parameters)
    assert ours.item() == pytest.approx(naive.item(), rel=1e-5)
    scale = max(float(g.abs().max()) for g in expected)
    assert scale > 0
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * scale)
