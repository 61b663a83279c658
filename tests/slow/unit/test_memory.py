import weakref

import pytest
import torch

from motion_core.errors import MemoryShortage
from motion_core.memory import modes as memory
from motion_core.memory.fp8 import HAS_FP8, find_storable, stored_in_fp8
from motion_core.memory.free_memory import find_free
from motion_core.memory.tensor_memory import TensorMemory
from motion_core.models.families import recognize
from motion_core.training import step_losses
from motion_core.training.train import train
from tests.conftest import seeded
from tests.training_cases import RECIPE_NAMES, assert_equal_motions, one_clip, short_recipe, with_still

MODES = ("fast", "balanced", "low")
EACH_KIND = pytest.mark.parametrize("name", ["motion_inversion", "vmc", "motion_director"])


def learn(denoiser, latents, text, name="motion_inversion", free=None, **changes):
    if name == "motion_inversion":
        changes = {"sites": "all", "learning_rate": 2e-2, **changes}
    find = {} if free is None else {"find_free": free}
    return train(denoiser, one_clip(latents, text), short_recipe(name, **changes), seed=7, **find)


def test_tensors_are_counted_while_they_live():
    with TensorMemory() as alive:
        one = torch.ones(250)
        two = one[:5] + 1
        del one
        three = two.view(5, 1)
        del two
    assert alive.now == 20 and alive.peak >= 1020
    del three
    assert alive.now == 0


@pytest.mark.parametrize("sites", ["deepest", "all"])
def test_the_prediction_for_embeddings_is_what_a_step_takes(either, text, sites):
    latents = seeded(1, 4, 8, 16, 16)
    uses = [learn(either, latents, text, memory=mode, sites=sites).memory for mode in MODES]
    for mode, use in zip(MODES, uses, strict=True):
        assert use.mode == mode and not use.chosen
        assert 0.85 * use.predicted <= use.measured <= 1.1 * use.predicted, str(use)
    assert uses[0].measured > uses[1].measured > uses[2].measured


@pytest.mark.parametrize("name", RECIPE_NAMES[1:])
def test_the_prediction_for_adapters_is_above_what_a_step_takes(denoiser, text, name):
    """It allows for two gradients of the largest tensor, which an adapter's step rarely has at its peak."""
    references = with_still(seeded(1, 4, 8, 16, 16), text)
    uses = [train(denoiser, references, short_recipe(name, memory=mode, steps=1)).memory for mode in MODES]
    for mode, use in zip(MODES, uses, strict=True):
        assert use.mode == mode and not use.chosen
        assert 0.75 * use.predicted <= use.measured <= use.predicted, f"{name}: {use}"


@EACH_KIND
@pytest.mark.parametrize(("free", "mode"), [(1.2, "fast"), (0.9, "balanced"), (0.5, "low"), (0.1, "lowest")])
def test_auto_chooses_by_free_memory(denoiser, latents, text, name, free, mode):
    fast = learn(denoiser, latents, text, name)
    weights = sum(t.nbytes for t in denoiser.module.parameters())
    room = int(free * (fast.memory.predicted - weights))
    found = learn(denoiser, latents, text, name, memory="auto", free=lambda _: room)
    assert (found.memory.mode, found.memory.chosen) == (mode, True)
    assert "picked by free memory" in str(found.memory)
    assert_equal_motions(found.motion, fast.motion)


@EACH_KIND
def test_auto_is_balanced_where_free_memory_is_unknown(denoiser, latents, text, name):
    assert learn(denoiser, latents, text, name, memory="auto", free=lambda _: None).memory.mode == "balanced"


def test_free_memory_of_this_machine_is_known():
    free = find_free(torch.device("cpu"))
    assert free is not None and free > 2**20
    assert find_free(torch.device("meta")) is None


class Exhausted:
    """Runs out of memory so many times, each after a step."""

    def __init__(self, times, monkeypatch):
        self.left, self.calls, self.evaluate = times, 0, step_losses.evaluate_objective
        monkeypatch.setattr(step_losses, "evaluate_objective", self)

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls > 1 and self.left:
            self.left, self.calls = self.left - 1, 0
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.evaluate(*args, **kwargs)


@EACH_KIND
@pytest.mark.parametrize("first", ["fast", "balanced"])
def test_out_of_memory_falls_back_once_with_a_sentence(denoiser, latents, text, monkeypatch, caplog, name, first):
    plain = learn(denoiser, latents, text, name, memory="low")
    Exhausted(1, monkeypatch)
    found = learn(denoiser, latents, text, name, memory=first)
    lower = MODES[MODES.index(first) + 1]
    assert (found.memory.mode, found.memory.fell_back) == (lower, True)
    assert "2.00 GiB" in caplog.text and f"memory {lower}" in caplog.text
    assert found.losses == plain.losses
    assert_equal_motions(found.motion, plain.motion)
    assert not any(part._forward_pre_hooks or "forward" in vars(part) for part in denoiser.module.modules())


@EACH_KIND
def test_out_of_memory_twice_is_an_error(denoiser, latents, text, monkeypatch, name):
    Exhausted(2, monkeypatch)
    with pytest.raises(MemoryShortage, match="2.00 GiB"):
        learn(denoiser, latents, text, name, memory="fast")


def test_there_is_nothing_below_the_lowest():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [memory.next_lower(mode, cuda) for mode in ("fast", "balanced", "low", "lowest")] == [
        "balanced", "low", "lowest" if HAS_FP8 else None, None,
    ]  # fmt: skip
    assert memory.next_lower("low", cpu) is None  # originals and weights in fp8 would lie in the same memory


@pytest.mark.skipif(not HAS_FP8, reason="this torch has no 8-bit floats")
class TestFp8:
    def test_weights_are_stored_small_and_come_back(self, unet):
        layers = find_storable(recognize(unet).group_by_level()).layers
        before = {name: value.clone() for name, value in unet.state_dict().items()}
        names = set(before)
        places = [layer.weight.data_ptr() for layer in layers]
        with pytest.raises(KeyboardInterrupt), stored_in_fp8(layers):
            assert all(layer.weight.untyped_storage().nbytes() <= 8 for layer in layers)
            assert all(layer.weight.shape == before_shape for layer, before_shape in _shapes(unet, before, layers))
            raise KeyboardInterrupt
        assert set(unet.state_dict()) == names
        assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())
        assert [layer.weight.data_ptr() for layer in layers] == places
        assert not any("forward" in vars(part) for part in unet.modules())

    def test_tensors_of_a_failed_step_are_freed_before_the_originals_return(self):
        layer, small_when_gone = torch.nn.Linear(8, 8), []

        def fail():
            activation = torch.zeros(64)
            weakref.finalize(activation, lambda: small_when_gone.append(layer.weight.untyped_storage().nbytes() <= 8))
            raise torch.OutOfMemoryError("CUDA out of memory")

        with pytest.raises(torch.OutOfMemoryError), stored_in_fp8([layer]):
            fail()
        assert small_when_gone == [True]

    def test_originals_that_find_no_room_are_whole_elsewhere(self, monkeypatch):
        layers = [torch.nn.Linear(8, 8) for _ in range(3)]
        before = [layer.weight.detach().clone() for layer in layers]

        def find_no_room(*_):
            raise torch.OutOfMemoryError("CUDA out of memory")

        with pytest.raises(torch.OutOfMemoryError), stored_in_fp8(layers):
            monkeypatch.setattr(torch.Tensor, "to", find_no_room)
        assert all(torch.equal(layer.weight, old) for layer, old in zip(layers, before, strict=True))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_a_cast_weight_is_near(self, dtype):
        layer = torch.nn.Linear(64, 32, bias=False).to(dtype)
        layer.weight.data *= torch.logspace(-4, 2, 32)[:, None].to(dtype)  # each channel has a scale of its own
        eye = torch.eye(64, dtype=dtype)
        plain = layer(eye)
        with stored_in_fp8([layer]):
            cast = layer(eye)
        error = (cast.float() - plain.float()).norm(dim=0) / plain.float().norm(dim=0)
        assert 0 < error.max() < 0.06

    def test_gradients_are_those_of_the_rounded_model(self, denoiser, latents, text):
        """Through checkpointing too, where a weight is cast again."""
        from motion_core.memory.checkpointing import checkpointed, choose_layers
        from motion_core.memory.freezing import frozen

        module, levels = denoiser.module, recognize(denoiser.module).group_by_level()
        layers = find_storable(levels).layers

        def gradient():
            z = latents.clone().requires_grad_()
            denoiser.predict(z, torch.tensor([500]), text).square().mean().backward()
            return z.grad

        with frozen(module):
            plain = gradient()
            with stored_in_fp8(layers):
                kept = gradient()
                with checkpointed(choose_layers(levels, "low")):
                    again = gradient()
        assert torch.equal(kept, again)
        assert 0 < (kept - plain).norm() / plain.norm() < 0.3

    def test_training_in_lowest_leaves_the_model_as_before(self, denoiser, latents, text, monkeypatch):
        """On a CPU it is low; here it is made to do what it does on a GPU."""
        before = {name: value.clone() for name, value in denoiser.module.state_dict().items()}
        low, plain = (learn(denoiser, latents, text, memory=mode) for mode in ("low", "lowest"))
        assert low.losses == plain.losses and plain.memory.mode == "lowest"
        monkeypatch.setattr("motion_core.memory.modes.saves_memory", lambda device: True)
        small = learn(denoiser, latents, text, memory="lowest")
        assert small.losses != low.losses
        assert abs(small.losses[-1] - low.losses[-1]) < 0.1 * low.losses[-1]
        assert all(torch.equal(value, before[name]) for name, value in denoiser.module.state_dict().items())


def _shapes(unet, before, layers):
    names = {part: name for name, part in unet.named_modules()}
    return [(layer, before[f"{names[layer]}.weight"].shape) for layer in layers]
