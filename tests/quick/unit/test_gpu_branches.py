"""The branches for a GPU, on a machine without one: torch's answers are replaced."""

from types import SimpleNamespace

import pytest
import torch

from motion_core.diffusion.noise_samples import move_noise
from motion_core.evaluation import cost, table
from motion_core.memory import fp8, free_memory
from motion_core.memory.footprint import Footprint
from motion_core.memory.modes import choose_mode
from motion_core.memory.peak import PeakMeter
from motion_core.recipes.optimizer_settings import OptimizerSettings
from motion_core.training import loop

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")


class OnGpu(torch.Tensor):
    """A tensor that says it is on a GPU; what is computed from it does not."""

    @property
    def is_cuda(self):
        return getattr(self, "there", False)


def on_gpu(tensor):
    tensor = tensor.as_subclass(OnGpu)
    tensor.there = True
    return tensor


@pytest.fixture
def pinned(monkeypatch):
    """The shapes of what was pinned."""
    shapes = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: shapes.append(tuple(tensor.shape)) or tensor)
    return shapes


def test_free_memory_is_what_the_gpu_and_torchs_allocator_have(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 5000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 400)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 300)
    assert free_memory.find_free(CUDA) == 1100


def test_the_peak_is_the_allocators(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append(device))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 77)
    peak = PeakMeter(CUDA, Footprint({}, weights=1, trained=1, gradient=1, device=CUDA))
    with peak.measured():
        torch.ones(1000)
    assert calls == [CUDA] and peak.read() == (77, "CUDA's allocator")


def test_only_a_gpu_gives_its_cache_back(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append(1))
    free_memory.return_unused(CPU)
    assert not calls
    free_memory.return_unused(CUDA)
    assert calls


def test_weights_in_eight_bits_save_memory_on_a_gpu_only():
    assert fp8.saves_memory(CUDA) == fp8.HAS_FP8 and not fp8.saves_memory(CPU)


def test_noise_goes_to_a_gpu_by_pinned_memory(pinned):
    noise = torch.ones(2, 3)
    assert torch.equal(move_noise(noise, torch.zeros(1)), noise) and not pinned
    assert torch.equal(move_noise(noise, on_gpu(torch.zeros(1))), noise) and pinned == [(2, 3)]


def test_a_loss_is_read_when_the_gpu_is_done_with_it(monkeypatch):
    events = []

    class Event:
        def record(self):
            events.append("record")

        def synchronize(self):
            events.append("wait")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    read = loop._read_later(on_gpu(torch.tensor(0.5)), 1)
    assert events == ["record"]
    assert read() == 0.5 and events == ["record", "wait"]


def test_losses_are_read_a_step_late_on_a_gpu_only():
    assert loop.read_lag(CUDA) == 1 and loop.read_lag(CPU) == 0


def test_the_optimizer_is_fused_on_a_gpu_only():
    assert OptimizerSettings().make_optimizer([torch.nn.Parameter(torch.ones(2))]).defaults["fused"] is None
    assert OptimizerSettings().make_optimizer([on_gpu(torch.ones(2)).requires_grad_()]).defaults["fused"] is True


@pytest.mark.parametrize("steady", [False, True])
def test_scaled_gradients_of_a_model_in_half_precision_go_where_plain_ones_go(steady):
    ends = []
    for half in (False, True):
        parameter = torch.linspace(-1, 1, 5)

        def draw(parameter=parameter):
            yield (parameter**2).sum(), [parameter]

        loop.minimize([parameter], draw, OptimizerSettings(5, 0.1, steady=steady), half=half)
        ends.append(parameter.detach())
    torch.testing.assert_close(*ends)


def test_an_evaluation_measures_and_names_the_gpu(monkeypatch):
    answers = {
        "is_available": lambda: True,
        "reset_peak_memory_stats": lambda: None,
        "max_memory_allocated": lambda: 3 * 2**20,
        "get_device_name": lambda: "a GPU",
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    with cost.measured() as found:
        pass
    assert found.peak == 3.0
    assert table.describe_machine().startswith("a GPU, torch ")


def test_where_no_memory_is_known_the_mode_is_balanced():
    assert choose_mode(SimpleNamespace(weights=0), None) == "balanced"
