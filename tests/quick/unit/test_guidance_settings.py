"""Settings of guidance without training: which steps, which numbers, methods by name."""

from dataclasses import replace

import pytest
from torch import nn
from torch.nn import functional as F

from motion_core.errors import ModelError, OptionError
from motion_core.guidance.dmt import DmtConfig
from motion_core.guidance.methods import METHODS, STARTER_METHODS, find_method
from motion_core.guidance.motion_clone import MotionCloneConfig, ramp
from motion_core.hooks.feature_means import capture_means
from motion_core.models.block_features import find_block_features
from motion_core.pipeline import GenerateConfig
from motion_core.sampling.step import Step
from tests.quick.unit.guidance_methods import T, build


def test_the_guided_steps_and_the_ramp_of_the_weight(text):
    places = [Step(number, 5, 1, 0, text).place_within(0.2, 0.8) for number in range(5)]
    assert places == [None, (0, 3), (1, 3), (2, 3), None]
    assert Step(19, 50, 1, 0, text).place_within(0, 0.4) == (19, 20)
    weights = [ramp(number, 180, 1 / 18, 1 / 18) for number in range(180)]
    assert weights[:2] == pytest.approx([0.1, 0.2]) and weights[9] == weights[170] == pytest.approx(1)
    assert weights[171:] == pytest.approx([0.9 - number / 10 for number in range(9)])
    assert [ramp(number, 3, 0, 0) for number in range(3)] == [1, 1, 1]


def test_wrong_settings_are_refused_in_one_sentence(denoiser, latents, text, noise):
    for config, settings, message in (
        (DmtConfig, {"distance": "l1"}, "distance is 'l1'; use one of l2, cosine"),
        (DmtConfig, {"optimisation_steps": -1}, "optimisation_steps is -1; choose 0"),
        (DmtConfig, {"learning_rate": 0.0}, "learning_rate is 0.0; choose above 0"),
        (DmtConfig, {"restart_end": 2.0}, "restart_end is 2.0; choose 0"),
        (DmtConfig, {"start": 0.5, "end": 0.4}, "start is 0.5 and end 0.4"),
        (MotionCloneConfig, {"weight": -1.0}, "weight is -1.0; choose 0"),
        (MotionCloneConfig, {"timestep": -1}, "timestep is -1; choose 0"),
        (MotionCloneConfig, {"cool_down": 2.0}, "cool_down is 2.0; choose 0 to 1"),
        (MotionCloneConfig, {"end": 1.5}, "start is 0.0 and end 1.5"),
    ):
        with pytest.raises(OptionError, match=message.replace("(", r"\(")):
            config(**settings)
    with pytest.raises(ModelError, match="no temporal attention in 'up_blocks.9'; name one"):
        build("motion_clone", denoiser, latents, text, block="up_blocks.9")
    with pytest.raises(OptionError, match="timestep is 1000; choose one below the model's 1000"):
        build("motion_clone", denoiser, latents, text, timestep=1000)
    with pytest.raises(ModelError, match="no features in 'up_blocks.1'; name a block"):
        find_block_features(nn.Linear(1, 1), "up_blocks.1")
    guidance = build("dmt", denoiser, latents, text, block="down_blocks.9")
    with pytest.raises(ModelError, match="no features in 'down_blocks.9'; name a block"):
        guidance.optimise(noise, T, text, 0.01)
    with pytest.raises(OptionError, match="not inverted at timestep 800; invert it"):
        guidance.optimise(noise, 800, text, 0.01)
    with (
        pytest.raises(ModelError, match="no forward came through up_blocks.1"),
        capture_means(denoiser.module, "up_blocks.1", 1),
    ):
        pass
    wide = build("motion_clone", denoiser, latents, text)
    with pytest.raises(OptionError, match="has 4 frames on 10 places and the reference 4 frames on 6"):
        wide.differentiate(F.pad(noise, (0, 8)), T, text)


def test_sampling_settings_of_each_method_are_accepted():
    assert METHODS.keys() == STARTER_METHODS.keys()
    for method in (*METHODS.values(), *STARTER_METHODS.values()):
        assert method.source and GenerateConfig(**method.sampling).steps == method.sampling["steps"]


def test_a_method_is_found_by_name_and_changed_by_options():
    published = METHODS["dmt"].config
    given = find_method("dmt").configure(0.5, seed=3, block=None, end=0.9)
    assert given == replace(published, seed=3, end=0.9, learning_rate=3.5e-3, last_learning_rate=2e-3)
    assert find_method("motion_clone", "starter").configure(2.0).weight == 2.4e4
    for name in METHODS:
        assert find_method(name).configure(0.0).idle and not find_method(name).configure().idle
    for refused, message in (
        (lambda: find_method("x"), "method is 'x'; use one of dmt, motion_clone"),
        (lambda: find_method("dmt", "x"), "preset is 'x'; use one of published, starter"),
        (lambda: find_method("dmt").configure(weight=3.0), "weight is 3.0, and dmt has no such setting"),
        (lambda: find_method("dmt").configure(-1.0), "strength is -1.0; choose 0"),
        (lambda: find_method("dmt").configure(1e6), "learning_rate is 7000.0; choose"),
    ):
        with pytest.raises(OptionError, match=message):
            refused()
