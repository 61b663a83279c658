"""The branches for a Mac's GPU (MPS), on a machine without one. The meta device takes its place: computing on it shows
where a float64 would come to lie on a device that has none.
"""

from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from motion_core import device
from motion_core.diffusion.flow_schedule import FlowSchedule
from motion_core.diffusion.noise_samples import move_noise
from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.errors import MemoryShortage, OptionError
from motion_core.memory import fp8, free_memory, modes
from motion_core.models.wan.rotary import rotate
from motion_core.training import loop
from motion_core.training.shortage import explained
from tests.conftest import seeded

MPS = torch.device("mps")
WIDE = (torch.float64, torch.complex128)


class RefusingFloat64(TorchDispatchMode):
    """Does what a Mac does where a float64 is made on its GPU."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.is_meta and tensor.dtype in WIDE:
                raise TypeError(f"{function} makes a float64, which MPS lacks")
        return result


@pytest.fixture
def on_a_mac(monkeypatch):
    """A device without float64."""
    monkeypatch.setattr(device, "_WITHOUT_FLOAT64", ("mps", "meta"))
    with RefusingFloat64():
        yield torch.device("meta")


def find_gpus(monkeypatch, *, cuda, mps):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    "cuda, mps, chosen", [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_a_device_is_chosen_cuda_first_then_the_macs_gpu(monkeypatch, cuda, mps, chosen):
    find_gpus(monkeypatch, cuda=cuda, mps=mps)
    assert device.choose_device() == chosen and device.choose_device("cpu") == "cpu"
    assert device.choose_device(among=("cuda", "cpu")) == ("cuda" if cuda else "cpu")


def test_a_macs_gpu_that_is_not_there_is_refused(monkeypatch):
    find_gpus(monkeypatch, cuda=False, mps=False)
    with pytest.raises(OptionError, match="device is 'mps' and torch .* finds no GPU of a Mac; use --device cpu"):
        device.choose_device("mps")


def test_a_precision_that_a_device_lacks_becomes_float32(monkeypatch):
    assert device.fitting_dtype("cpu", torch.bfloat16) == torch.bfloat16

    def refuse(*_, dtype, **__):
        raise TypeError(f"{dtype} is not supported on MPS")

    monkeypatch.setattr(torch, "empty", refuse)
    assert device.fitting_dtype("mps", torch.bfloat16) == torch.float32


def test_the_stand_in_for_a_mac_refuses_float64(on_a_mac):
    with pytest.raises(TypeError, match="MPS lacks"):
        torch.ones(2, dtype=torch.float64).to(on_a_mac)
    with pytest.raises(TypeError, match="MPS lacks"):
        torch.ones(2, device=on_a_mac).double()


@pytest.mark.parametrize(
    "schedule, levels", [(NoiseSchedule.scaled_linear(), (700, 300)), (FlowSchedule(3.0), (0.7, 0.3))]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_schedules_make_no_float64_on_a_mac(on_a_mac, schedule, levels, dtype):
    z = torch.zeros(2, 4, 3, 8, 8, dtype=dtype, device=on_a_mac)
    t = schedule.level_at(torch.tensor([5, 600]))
    results = [schedule.add_noise(z, z, t), schedule.predict_x0(z, z, t), schedule.step(z, z, *levels)]
    assert all(each.dtype == dtype and each.device == on_a_mac for each in results)
    assert schedule.error_alpha_bar(t).device.type == "cpu"


def test_noise_levels_on_a_mac_are_taken(on_a_mac):
    z, sigma = torch.zeros(2, 4, device=on_a_mac), torch.full((2,), 0.5, device=on_a_mac)
    assert FlowSchedule().add_noise(z, z, sigma).device == on_a_mac
    assert FlowSchedule().error_alpha_bar(sigma).dtype == torch.float32


def test_rotary_positions_make_no_float64_on_a_mac(on_a_mac):
    live = SimpleNamespace(grid=(2, 3), frames=4)
    turned = rotate(torch.zeros(1, 24, 2, 12, device=on_a_mac), live)
    assert turned.shape == (1, 24, 2, 12) and turned.dtype == torch.float32


def test_rotary_positions_in_float32_are_nearly_those_in_float64(monkeypatch):
    x, live = seeded(1, 24, 2, 12), SimpleNamespace(grid=(2, 3), frames=4)
    exact = rotate(x, live)
    monkeypatch.setattr(device, "_WITHOUT_FLOAT64", ("cpu",))
    torch.testing.assert_close(rotate(x, live), exact, rtol=1e-5, atol=1e-5)


def test_levels_given_as_numbers_are_exact_whatever_the_default_precision():
    z, eps = (seeded(2, 4, seed=seed).double() for seed in (0, 1))
    torch.testing.assert_close(FlowSchedule().add_noise(z, eps, 0.1), 0.9 * z + 0.1 * eps, rtol=1e-14, atol=1e-14)


def test_a_macs_gpu_has_the_memory_of_its_cpu(monkeypatch):
    monkeypatch.setattr(free_memory, "find_free_main", lambda: 1234)
    assert free_memory.find_free(MPS) == 1234
    calls = []
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: calls.append(1))
    free_memory.return_unused(torch.device("cpu"))
    assert not calls
    free_memory.return_unused(MPS)
    assert calls == [1]


def test_a_mac_stores_no_weights_in_eight_bits():
    assert not fp8.saves_memory(MPS) and modes.next_lower("low", MPS) is None


def test_nothing_is_copied_ahead_of_a_macs_gpu(monkeypatch):
    """A copy that does not wait reads memory that may have changed."""
    given = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: given.append(kwargs) or self)
    move_noise(torch.ones(2), torch.zeros(2, device="meta"))
    assert given == [{}] and loop.read_lag(MPS) == 0


@pytest.mark.parametrize(
    "sentence",
    [
        "MPS backend out of memory (MPS allocated: 17.9 GiB, max allowed: 18.1 GiB)",
        "[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: not enough memory: you tried",
        "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried",
    ],
)
def test_memory_that_runs_out_is_seen_on_each_system(sentence):
    with pytest.raises(MemoryShortage, match="ran out of memory"), explained("fast", torch.zeros(1, 4, 3, 8, 8)):
        raise RuntimeError(sentence)
