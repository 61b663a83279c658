"""CUDA graphs on a machine without a GPU: what torch records is put in place of by what it is known to do."""

import logging
import weakref

import pytest
import torch

from motion_core.errors import MemoryShortage, OptionError
from motion_core.recipes.learn_config import LearnConfig
from motion_core.training import replaying
from motion_core.training.train import fit

CONFIG = LearnConfig(steps=3, learning_rate=0.05, memory="fast", objective="noise_mse+appearance_debiased")


class Recorder:
    """Plays by computing from the tensors that it was shown when it recorded, as a graph does: what it is called with
    is copied to where those lie, unless it lies there.
    """

    def __init__(self):
        self.played = 0

    def __call__(self, predict, shown, allow_unused_input):
        shown[0].zero_()  # a record knows nothing of the numbers that it was made with

        def play(*given):
            self.played += 1
            with torch.no_grad():
                for place, tensor in zip(shown, given, strict=True):
                    if place.data_ptr() != tensor.data_ptr():
                        assert place.shape == tensor.shape and place.dtype == tensor.dtype and not place.requires_grad
                        place.copy_(tensor)
            return predict(*shown)

        return play


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(replaying, "can_record", lambda _: True)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorder)
    return recorder


def learn(denoiser, latents, text, **changes):
    return fit(denoiser, latents, text, LearnConfig(**{**vars(CONFIG), **changes}))


@pytest.mark.parametrize("changes", [{}, {"memory": "low"}, {"early_stop": True}, {"steady": True, "steps": 5}])
def test_what_is_played_is_what_is_computed(either, latents, text, recorder, changes):
    versions = torch.cat([latents, -latents])  # that steps see in turns
    plain, played = (learn(either, versions, text, cuda_graphs=on, **changes) for on in (False, True))
    assert recorder.played == len(played.losses)  # validation's looks have no gradient and are not played
    assert played.losses == plain.losses and played.validation == plain.validation
    for a, b in zip(plain.embedding.parameters, played.embedding.parameters, strict=True):
        assert torch.equal(a, b)


def test_what_was_recorded_is_gone_when_learning_ends(denoiser, latents, text, recorder):
    class Record:
        """Refers to itself, as torch's does."""

        def __init__(self, play):
            self.own, self.play = self, play

        def __call__(self, *given):
            return self.play(*given)

    kept = []

    def make(*args, **more):
        record = Record(recorder(*args, **more))
        kept.append(weakref.ref(record))
        return record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "make_graphed_callables", make)
        learn(denoiser, latents, text, cuda_graphs=True)
    assert [reference() for reference in kept] == [None]


def test_without_a_gpu_learning_goes_on_and_says_why(denoiser, latents, text, caplog):
    plain = learn(denoiser, latents, text)
    with caplog.at_level(logging.WARNING):
        assert learn(denoiser, latents, text, cuda_graphs=True).losses == plain.losses
    assert "CUDA graphs need an NVIDIA GPU, and this is cpu" in caplog.text


def test_what_cannot_be_recorded_is_computed(denoiser, latents, text, recorder, monkeypatch, caplog):
    def refuse(*_args, **_kwargs):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    with caplog.at_level(logging.WARNING):
        learnt = learn(denoiser, latents, text, cuda_graphs=True)
    assert learnt.losses == learn(denoiser, latents, text).losses
    assert "(operation not permitted when stream is capturing)" in caplog.text


def test_memory_that_runs_out_is_no_reason_to_go_on_without(denoiser, latents, text, recorder, monkeypatch):
    def run_out(*_args, **_kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", run_out)
    with pytest.raises(MemoryShortage):
        learn(denoiser, latents, text, cuda_graphs=True, memory="low")


def test_a_pool_is_refused():
    with pytest.raises(OptionError, match="use one"):
        LearnConfig(pool=3, cuda_graphs=True)
