from dataclasses import replace

import pytest
import torch

from motion_core.errors import ModelError, OptionError
from motion_core.hooks.applied import AppliedMotion
from motion_core.hooks.embedding_hooks import inject
from motion_core.motions.apply_settings import EmbeddingSettings
from motion_core.sampling.inversion import invert
from motion_core.sampling.sample import sample
from tests.conftest import build_unet, seeded


def forward(unet, latents, text):
    with torch.no_grad():
        return unet(latents, torch.tensor([500]), text.expand(len(latents), -1, -1)).sample


def test_zero_embeddings_change_no_bit(unet, latents, text, learnt):
    plain = forward(unet, latents, text)
    with inject(unet, learnt.map(torch.zeros_like)):
        assert torch.equal(forward(unet, latents, text), plain)


def test_zero_strengths_change_no_bit_and_add_no_hook(unet, latents, text, learnt):
    plain = forward(unet, latents, text)
    with inject(unet, learnt, 0.0, 0.0):
        assert not any(m._forward_pre_hooks for m in unet.modules())
        assert torch.equal(forward(unet, latents, text), plain)


@pytest.mark.parametrize("part", ["qk", "v"])
def test_qk_alone_and_v_alone_change_the_output(unet, latents, text, learnt, part):
    plain = forward(unet, latents, text)
    with inject(unet, learnt, float(part == "qk"), float(part == "v")):
        assert not torch.allclose(forward(unet, latents, text), plain, atol=1e-4)


@pytest.mark.parametrize("own", ["attn1", "attn2"])
def test_each_self_attention_alone_changes_the_output(unet, latents, text, learnt, own):
    plain = forward(unet, latents, text)
    only = replace(
        learnt,
        qk={name: t * 0 for name, t in learnt.qk.items()},
        v={name: t * name.endswith(own) for name, t in learnt.v.items()},
    )
    with inject(unet, only):
        assert not torch.allclose(forward(unet, latents, text), plain, atol=1e-5)


def test_no_hook_remains_after_the_block(unet, latents, text, learnt):
    plain = forward(unet, latents, text)
    with inject(unet, learnt):
        forward(unet, latents, text)
    assert not any(m._forward_pre_hooks for m in unet.modules())
    assert torch.equal(forward(unet, latents, text), plain)
    with pytest.raises(RuntimeError, match="stop"), inject(unet, learnt):
        raise RuntimeError("stop")
    assert not any(m._forward_pre_hooks for m in unet.modules())


def test_nested_embeddings_add_up_and_cancel(unet, latents, text, learnt):
    plain = forward(unet, latents, text)
    with inject(unet, learnt), inject(unet, learnt, -1.0, -1.0):
        torch.testing.assert_close(forward(unet, latents, text), plain, atol=2e-5, rtol=1e-4)
    with inject(unet, learnt, 2.0, 2.0):
        doubled = forward(unet, latents, text)
    with inject(unet, learnt), inject(unet, learnt):
        torch.testing.assert_close(forward(unet, latents, text), doubled, atol=2e-5, rtol=1e-4)


def test_a_batch_is_treated_as_its_entries(unet, latents, text, learnt):
    pair = torch.cat([latents, seeded(*latents.shape, seed=5)])
    with inject(unet, learnt):
        both = forward(unet, pair, text)
        apart = torch.cat([forward(unet, entry[None], text) for entry in pair])
    torch.testing.assert_close(both, apart, atol=1e-5, rtol=1e-4)


def test_the_gate_chooses_the_batch_entries_that_are_changed(unet, latents, text, learnt):
    pair = torch.cat([latents, latents])
    plain = forward(unet, pair, text)
    with inject(unet, learnt) as switch:
        applied = forward(unet, pair, text)
        switch.gate = torch.tensor([0.0, 1.0])
        gated = forward(unet, pair, text)
    assert torch.equal(gated[0], plain[0]) and torch.equal(gated[1], applied[1])


def test_an_embedding_is_resized_to_another_length_and_size(unet, text, learnt):
    longer = seeded(1, 4, 8, 16, 20)
    plain = forward(unet, longer, text)
    with inject(unet, learnt):
        applied = forward(unet, longer, text)
    with inject(unet, learnt.resized(8, {b: (-(-16 // 2**k), -(-20 // 2**k)) for b, k in levels(unet).items()})):
        torch.testing.assert_close(forward(unet, longer, text), applied, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(applied, plain, atol=1e-4)


def levels(unet) -> dict[str, int]:
    from motion_core.models.families import find_sites

    return {site.block: site.level for site in find_sites(unet)}


def test_another_family_or_width_is_refused_in_one_sentence(unet, learnt):
    other = replace(learnt, family="animatediff")
    with pytest.raises(ModelError, match="animatediff family and the model is of the zeroscope"), inject(unet, other):
        pass
    with pytest.raises(ModelError, match="channels at"), inject(build_unet(block_out_channels=(8, 8, 8, 8)), learnt):
        pass
    with pytest.raises(OptionError, match="strength_v is 11"), inject(unet, learnt, 1.0, 11):
        pass


def test_sampling_follows_range_branches_and_strength(denoiser, text, learnt, latents):
    noise, negative = seeded(*latents.shape, seed=3), text[0] * 0

    def run(**config):
        return sample(denoiser, noise, text, negative, motions=[AppliedMotion.of(learnt, **config)], steps=4)

    plain = sample(denoiser, noise, text, negative, steps=4)
    assert torch.equal(run(strength_qk=0.0, strength_v=0.0), plain)
    assert torch.equal(run(start=0.9), plain)  # no step of four begins that late
    results = [run(), run(branches="conditional"), run(end=0.5), run(debias="none"), run(debias="mean"), plain]
    for i, one in enumerate(results):
        assert all(not torch.allclose(one, other, atol=1e-4) for other in results[:i])
    assert torch.equal(run(), results[0])


def test_sampling_from_inverted_noise_gives_the_clip_back(denoiser, text, latents):
    noise = invert(denoiser, latents, text[0], steps=60)
    back = sample(denoiser, noise, text, steps=60)
    assert (back - latents).square().mean() < 0.05 * latents.square().mean()


@pytest.mark.parametrize("wrong", [{"start": 0.6, "end": 0.5}, {"debias": "x"}, {"branches": "x"}, {"strength_qk": 99}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        EmbeddingSettings(**wrong)
