"""The AnimateDiff family in diffusers' UNetMotionModel; tests/host tests it as the host builds it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from motion_core.diffusion.schedule import NoiseSchedule
from motion_core.errors import ModelError
from motion_core.hooks.embedding_hooks import inject
from motion_core.hooks.live_switch import Window
from motion_core.models.animatediff.denoiser import MotionUNetDenoiser
from motion_core.models.families import find_sites, recognize
from motion_core.models.sites import select_sites
from motion_core.motions.embedding import MotionEmbedding
from motion_core.recipes.motion_inversion import OFFICIAL
from motion_core.training.train import train
from tests.training_cases import EMBEDDING_RECIPE, one_clip

CHANNELS = (32, 32, 64, 64)


def build(**changes):
    from diffusers import UNetMotionModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = UNetMotionModel(
            sample_size=8, block_out_channels=CHANNELS, cross_attention_dim=16, num_attention_heads=4,
            motion_num_attention_heads=2, **{"use_motion_mid_block": True, **changes},
        ).eval()  # fmt: skip
        for name, parameter in model.named_parameters():
            if "motion_modules" in name and "proj_out" in name:  # zero at first, where a motion would change nothing
                nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def denoiser(model):
    return MotionUNetDenoiser(model, NoiseSchedule.scaled_linear())


@pytest.fixture(scope="module")
def learnt(denoiser, latents, text):
    return train(denoiser, one_clip(latents, text), EMBEDDING_RECIPE).motion


def predict(denoiser, latents, text):
    with torch.no_grad():
        return denoiser.predict(latents, torch.tensor([500]), text)


def test_sites_are_named_as_motion_module_files_name_them(model):
    sites = find_sites(model)
    assert recognize(model).family.name == "animatediff"
    tail = "temporal_transformer.transformer_blocks.0"
    expected = [f"down_blocks.{b}.motion_modules.{m}.{tail}" for b in range(4) for m in range(2)]
    expected += [f"mid_block.motion_modules.0.{tail}"]
    expected += [f"up_blocks.{b}.motion_modules.{m}.{tail}" for b in range(4) for m in range(3)]
    assert list(dict.fromkeys(site.block for site in sites)) == expected
    assert [site.own for site in sites] == ["attn1", "attn2"] * 21
    assert {site.block.split(".motion")[0] for site in select_sites(sites, "deepest")} == {
        "down_blocks.3", "mid_block", "up_blocks.0",
    }  # fmt: skip


def test_v1_has_no_mid_block():
    blocks = {site.block for site in find_sites(build(use_motion_mid_block=False))}
    assert len(blocks) == 20 and not any("mid" in block for block in blocks)


def test_layers_by_level_are_what_the_model_calls(model):
    layers = recognize(model).group_by_level()
    assert sorted(layers) == [0, 1, 2, 3]
    kinds = {type(layer).__name__ for level in layers.values() for layer in level}
    assert kinds == {"ResnetBlock2D", "Transformer2DModel", "AnimateDiffTransformer3D"}


def test_zeros_change_no_bit_and_each_part_changes_the_result(denoiser, model, latents, text, learnt):
    plain = predict(denoiser, latents, text)
    with inject(model, learnt.map(torch.zeros_like)):
        assert torch.equal(predict(denoiser, latents, text), plain)
    seen = [plain]
    for qk, v in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        with inject(model, learnt, qk, v):
            seen.append(predict(denoiser, latents, text))
    for own in ("attn1", "attn2"):
        alone = replace(learnt, v={name: t * name.endswith(own) for name, t in learnt.v.items()})
        with inject(model, alone, 0.0, 5.0):
            seen.append(predict(denoiser, latents, text))
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
    assert torch.equal(predict(denoiser, latents, text), plain)


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_memory_modes_learn_the_same(denoiser, latents, text, learnt, memory):
    other = train(denoiser, one_clip(latents, text), EMBEDDING_RECIPE.changed(memory=memory)).motion
    for a, b in zip(learnt.parameters, other.parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_file_comes_back_and_fits_another_length_and_size(model, denoiser, text, learnt, tmp_path):
    learnt.save(tmp_path / "motion.safetensors")
    kept = MotionEmbedding.load(tmp_path / "motion.safetensors")
    assert kept.family == "animatediff"
    wider = torch.randn(2, 4, 6, 16, 8, generator=torch.Generator().manual_seed(2))
    plain = predict(denoiser, wider, text.expand(2, -1, -1))
    with inject(model, kept):
        assert not torch.equal(predict(denoiser, wider, text.expand(2, -1, -1)), plain)


def test_a_motion_of_another_family_is_refused_in_one_sentence(model, learnt):
    sentence = "zeroscope family and the model is of the animatediff family"
    with pytest.raises(ModelError, match=sentence), inject(model, replace(learnt, family="zeroscope")):
        pass


def test_replaced_norms_are_replaced_in_recomputation_too(denoiser, latents, text, monkeypatch):
    class Swapping(MotionUNetDenoiser):
        """As AnimateDiff-Evolved predicts with v1 motion modules: another group norm while the forward runs."""

        def predict(self, z, t, conditions):
            with pytest.MonkeyPatch.context() as swap:
                whole = nn.GroupNorm.forward
                swap.setattr(nn.GroupNorm, "forward", lambda norm, x: whole(norm, x) * 0.9)
                return super().predict(z, t, conditions)

    swapping = Swapping(denoiser.module, denoiser.schedule)
    before = nn.GroupNorm.forward
    fast, low, other = (
        train(d, one_clip(latents, text), OFFICIAL.changed(steps=2, memory=memory, learning_rate=0.1)).motion
        for d, memory in ((swapping, "fast"), (swapping, "low"), (denoiser, "fast"))
    )
    assert nn.GroupNorm.forward is before
    for a, b in zip(fast.parameters, low.parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    assert any(
        not torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(fast.parameters, other.parameters, strict=True)
    )


def test_a_window_gets_its_frames_of_the_whole_motion(denoiser, model, text, learnt):
    clip = torch.randn(1, 4, 4, 8, 12, generator=torch.Generator().manual_seed(3))
    with inject(model, learnt) as switch:
        plain = predict(denoiser, clip, text)
        switch.window = Window((0, 1, 2, 3), 4)
        assert torch.equal(predict(denoiser, clip, text), plain)
        switch.window = Window((4, 5, 6, 7), 8)
        late = predict(denoiser, clip, text)
    cut = learnt.resized(8, dict(learnt.grids)).map(lambda t: t[:, 4:])
    with inject(model, cut):
        torch.testing.assert_close(predict(denoiser, clip, text), late)
    assert not torch.equal(plain, late)
