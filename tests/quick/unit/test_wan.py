"""Wan's transformer: all tokens of all frames attend to each other, and the model predicts velocity."""

import copy
import sys
import types
from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch

from motion_core.errors import ModelError
from motion_core.guidance.dmt import DmtConfig
from motion_core.guidance.methods import prepare_guidance
from motion_core.guidance.motion_clone import MotionCloneConfig
from motion_core.hooks.applied import AppliedMotion
from motion_core.hooks.embedding_hooks import inject, recorded_tokens
from motion_core.models.families import recognize
from motion_core.models.loading import load_video_model
from motion_core.models.sites import select_sites
from motion_core.models.token_layout import LiveTokens
from motion_core.models.wan.denoiser import WanCondition
from motion_core.models.wan.family import WAN
from motion_core.models.wan.loading import WanVideoModel, load_wan
from motion_core.models.wan.names import name_in_autoencoder, name_in_transformer
from motion_core.models.wan.tokens import PatchTokens
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import read_motion
from motion_core.pipeline import CaptionedClip, GenerateConfig, References, generate_clip, train_motion
from motion_core.recipes.catalogue import find_recipe
from motion_core.sampling.inversion import invert
from motion_core.sampling.sample import sample
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.train import train
from motion_core.video.reading import Clip
from tests.conftest import count_hooks, seeded
from tests.quick.unit.tiny_wan import CLIP, FRAMES, GRID, TEXT, build_denoiser

CHANNELS = 32
T = torch.tensor([0.5])
RECIPES = {
    "motion_inversion": find_recipe("motion_inversion", "official").changed(sites="all", steps=12),
    "vmc": find_recipe("vmc", "published").changed(steps=12, learning_rate=1e-2),
    "motion_director": find_recipe("motion_director", "published").changed(steps=6, learning_rate=1e-2),
}


@pytest.fixture(scope="module")
def denoiser():
    return build_denoiser()


def make_zeros(denoiser):
    sites = recognize(denoiser.module).sites
    return MotionEmbedding.zeros("wan", sites, {site.block: GRID for site in sites}, FRAMES)


def make_sample(denoiser, *motions, frames=FRAMES, size=(8, 6), **settings):
    applied = [AppliedMotion.of(motion, **settings) for motion in motions]
    empty = WanCondition(torch.zeros(7, 12))
    return sample(denoiser, seeded(1, 16, frames, *size, seed=5), [TEXT], empty, motions=applied, steps=3)


def test_sites_and_layers_bear_the_names_of_wans_checkpoints(denoiser):
    model = recognize(denoiser.module)
    assert model.family is WAN
    assert [(site.name, site.channels, site.heads) for site in model.sites] == [
        ("blocks.0.self_attn", 32, 2),
        ("blocks.1.self_attn", 32, 2),
    ]
    layers = {layer.name: (layer.kind, layer.temporal) for layer in model.list_layers()}
    assert len(layers) == 20
    assert layers["blocks.1.self_attn.q"] == ("self_q", True) and layers["blocks.0.self_attn.o"] == ("self_out", True)
    assert layers["blocks.0.cross_attn.v"] == ("cross_v", False)
    assert layers["blocks.1.ffn.2"] == ("feed_forward", False)


def test_early_sites_are_the_first_half_of_the_blocks(denoiser):
    sites = recognize(denoiser.module).sites
    assert select_sites(sites, "early") == sites[:1] and select_sites(sites, "all") == sites
    five = [replace(sites[0], name=f"blocks.{number}.self_attn") for number in range(5)]
    assert select_sites(five, "early") == five[:3]


def test_the_tokens_of_a_forward_are_known(denoiser):
    with recorded_tokens(recognize(denoiser.module).sites) as tokens:
        denoiser.predict(CLIP, T, [TEXT])
    assert set(tokens.values()) == {LiveTokens(GRID, FRAMES)} and not count_hooks(denoiser.module)


def test_zero_embeddings_change_no_bit(denoiser):
    plain = denoiser.predict(CLIP, T, [TEXT])
    with inject(denoiser.module, make_zeros(denoiser)):
        assert torch.equal(denoiser.predict(CLIP, T, [TEXT]), plain)


def record_inputs(denoiser, layers, motion, **strengths):
    """What enters each layer, without and with the motion."""
    entered = {layer: [] for layer in layers}
    with ExitStack() as hooks:
        for layer, seen in entered.items():
            hook = layer.register_forward_hook(lambda _layer, args, _output, seen=seen: seen.append(args[0]))
            hooks.callback(hook.remove)
        denoiser.predict(CLIP, T, [TEXT])
        with inject(denoiser.module, motion, **strengths):
            denoiser.predict(CLIP, T, [TEXT])
    return entered.values()


def test_each_frame_and_place_gets_its_own_embedding(denoiser):
    """qk enters q and k, and v what attention gives, at its own place: over all places it would be mixed."""
    motion, name = make_zeros(denoiser).map(torch.randn_like), "blocks.0.self_attn"
    attention = denoiser.module.blocks[0].attn1
    to_q, to_k, to_v, to_out = (attention.to_q, attention.to_k, attention.to_v, attention.to_out[0])
    qk = record_inputs(denoiser, [to_q, to_k], motion, strength_v=0.0)
    v = record_inputs(denoiser, [to_out], motion, strength_qk=0.0, strength_v=2.0)
    for kind, (plain, moved) in [*(("qk", pair) for pair in qk), *(("v", pair) for pair in v)]:
        added = (moved - plain)[0].unflatten(0, (FRAMES, *GRID))
        for frame, row, column in ((0, 0, 0), (3, 2, 1), (4, 3, 2)):
            place = row * GRID[1] + column
            expected = 2 * motion.v[name][place, frame] if kind == "v" else motion.qk[name][0, frame]
            torch.testing.assert_close(added[frame, row, column], expected, atol=1e-5, rtol=1e-5)
    ((plain, same),) = record_inputs(denoiser, [to_v], motion)
    assert torch.equal(plain, same)


def test_tokens_before_and_after_the_videos_are_left_alone():
    tokens, added = seeded(2, 3 + 8 + 2, 4), seeded(4, 2, 4, seed=1)
    layout, live = PatchTokens(torch.nn.Identity(), torch.nn.Identity()), LiveTokens((2, 2), frames=2, before=3)
    result = layout.add(tokens, added, torch.tensor([0.0, 1.0]), live)
    assert torch.equal(result[0], tokens[0]) and torch.equal(result[1, :3], tokens[1, :3])
    assert torch.equal(result[1, 11:], tokens[1, 11:])
    torch.testing.assert_close(result[1, 3:11] - tokens[1, 3:11], added.transpose(0, 1).flatten(0, 1))
    followed = LiveTokens((2, 2), frames=3, before=1)  # by a reference frame
    assert layout.count_frames(tokens, followed, 2) == 2 and layout.count_frames(tokens, followed) == 3
    result = layout.add(tokens, added, None, followed)
    assert torch.equal(result[:, 9:], tokens[:, 9:]) and not torch.isclose(result[:, 1:9], tokens[:, 1:9]).any()
    with pytest.raises(ModelError, match="do not fit its size"):
        layout.add(tokens[:, :10], added, None, live)
    with pytest.raises(ModelError, match="run the model as a whole"):
        layout.add(tokens, added, None, None)


def test_branches_are_told_apart(denoiser):
    motion = make_zeros(denoiser).map(torch.randn_like)
    pair, t, conditions = torch.cat([CLIP, CLIP]), torch.cat([T, T]), [TEXT, TEXT]
    plain = denoiser.predict(pair, t, conditions)
    with inject(denoiser.module, motion) as switch:
        switch.gate = torch.tensor([0.0, 1.0])
        gated = denoiser.predict(pair, t, conditions)
    assert torch.equal(gated[0], plain[0]) and not torch.allclose(gated[1], plain[1], atol=1e-3)


@pytest.mark.parametrize("name", RECIPES)
def test_a_motion_is_trained_saved_loaded_and_applied(name, denoiser, tmp_path):
    weights = copy.deepcopy(denoiser.module.state_dict())
    trained = train(denoiser, ReferenceSet([Example(CLIP, TEXT)]), RECIPES[name])
    assert all(torch.equal(value, weights[key]) for key, value in denoiser.module.state_dict().items())
    assert not count_hooks(denoiser.module) and trained.motion.family == "wan"
    trained.motion.save(tmp_path / "motion.safetensors", torch.float32)
    loaded = read_motion(tmp_path / "motion.safetensors")
    plain, moved = make_sample(denoiser), make_sample(denoiser, trained.motion)
    assert (moved - plain).abs().max() > 1e-4
    torch.testing.assert_close(make_sample(denoiser, loaded), moved)


def test_learning_lowers_the_error_of_the_velocity(denoiser):
    recipe = RECIPES["motion_inversion"].changed(steps=60, learning_rate=3e-2)
    motion = train(denoiser, ReferenceSet([Example(CLIP, TEXT)]), recipe).motion
    schedule, eps, errors = denoiser.schedule, seeded(*CLIP.shape, seed=9), []
    z, target = schedule.add_noise(CLIP, eps, T), schedule.target(CLIP, eps)
    with torch.no_grad():
        errors.append((denoiser.predict(z, T, [TEXT]) - target).square().mean())
        with inject(denoiser.module, motion):
            errors.append((denoiser.predict(z, T, [TEXT]) - target).square().mean())
    assert errors[1] < 0.98 * errors[0]


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_every_memory_mode_gives_the_same_motion(memory, denoiser):
    references, recipe = ReferenceSet([Example(CLIP, TEXT)]), RECIPES["motion_inversion"]
    fast, other = (train(denoiser, references, recipe.changed(memory=mode)) for mode in ("fast", memory))
    assert other.memory.mode == memory and fast.losses == pytest.approx(other.losses, rel=1e-4)


def test_a_motion_fits_another_length_and_size(denoiser):
    motion = make_zeros(denoiser).map(torch.randn_like)
    assert make_sample(denoiser, motion, frames=8, size=(4, 10)).shape == (1, 16, 8, 4, 10)


def test_inversion_leads_back_to_the_clip(denoiser):
    noise = invert(denoiser, CLIP, TEXT, steps=50)
    again = sample(denoiser, noise, [TEXT], steps=50)
    assert (again - CLIP).square().mean() < 0.01 * CLIP.square().mean()


def test_an_image_is_an_input_of_the_model(denoiser):
    plain = denoiser.predict(CLIP, T, [TEXT])
    shown = WanCondition(TEXT.text, seeded(4, FRAMES, 8, 6, seed=3))
    empty = WanCondition(TEXT.text, torch.zeros(4, FRAMES, 8, 6))
    assert torch.equal(denoiser.predict(CLIP, T, [empty]), plain)
    assert not torch.allclose(denoiser.predict(CLIP, T, [shown]), plain, atol=1e-3)


@pytest.mark.parametrize("config", [DmtConfig(), MotionCloneConfig()], ids=["dmt", "motion_clone"])
def test_guidance_for_diffusion_models_is_refused(config, denoiser):
    with pytest.raises(ModelError):
        prepare_guidance(denoiser, CLIP, TEXT, config, levels=denoiser.schedule.levels(2))


def test_a_coarse_grid_makes_a_small_motion(denoiser):
    recipe = RECIPES["motion_inversion"].changed(grid=2)
    motion = train(denoiser, ReferenceSet([Example(CLIP, TEXT)]), recipe).motion
    assert set(motion.grids.values()) == {(2, 2)} and {v.shape for v in motion.v.values()} == {(4, FRAMES, CHANNELS)}
    assert (make_sample(denoiser, motion) - make_sample(denoiser)).abs().max() > 1e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of small random weights in the names of Wan's checkpoints, with the starter model's text part."""
    import json
    import shutil

    from diffusers import WanTransformer3DModel

    from motion_core.starter.folder import find_starter
    from tools.starter.wan import build
    from tools.starter.wan.export import export_autoencoder, export_transformer

    folder = tmp_path_factory.mktemp("wan")
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(find_starter() / part, folder / part)
    (folder / "training.json").write_text(json.dumps({"frames": 9, "size": 64}), encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = {**build.TRANSFORMER, "num_attention_heads": 4, "num_layers": 2, "ffn_dim": 64}
        export_transformer(folder / "transformer.safetensors", WanTransformer3DModel(**small))
        export_autoencoder(folder / "vae.safetensors", build.build_autoencoder())
    return folder


def test_a_folder_is_loaded_and_used_as_a_whole(folder):
    model = load_video_model(folder, "cpu")
    assert isinstance(model, WanVideoModel)
    assert model.frames == 9 and model.usual_size == (64, 64) and model.factor == 8
    assert model.latent_shape(9, 64, 48) == (1, 16, 3, 8, 6) and model.clip_frames(3) == 9
    assert model.denoiser.module.config.num_attention_heads == 4
    frames = torch.rand(11, 64, 48, 3, generator=torch.Generator().manual_seed(0))
    latents = model.encode(frames)
    assert latents.shape == (1, 16, 3, 8, 6)
    decoded = model.decode(latents)
    assert decoded.shape == (9, 64, 48, 3) and decoded.min() >= 0 and decoded.max() <= 1
    references = References([CaptionedClip(Clip(frames, 8.0), "a red circle")])
    motion = train_motion(model, references, RECIPES["motion_inversion"]).motion
    config = GenerateConfig(frames=9, width=64, height=64, steps=2)
    made = generate_clip(model, "a blue square", config, [AppliedMotion.of(motion)])
    assert made.shape == (9, 64, 64, 3) and motion.frames == 3


def test_a_folder_that_lacks_weights_is_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "transformer.safetensors")
    del weights["blocks.1.self_attn.q.weight"]
    save_file(weights, tmp_path / "transformer.safetensors")
    with pytest.raises(ModelError, match=r"lack blocks\.1\.self_attn\.q\.weight"):
        load_wan(tmp_path, "cpu")
    with pytest.raises(ModelError, match="can't be read"):
        load_wan(tmp_path / "nowhere", "cpu")


def test_a_folder_that_lacks_its_record_is_refused(folder, tmp_path):
    for name in ("transformer.safetensors", "vae.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ModelError, match=r"lacks training\.json"):
        load_wan(tmp_path, "cpu")


def test_a_diffusers_without_wan_is_named_in_one_sentence(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", types.ModuleType("diffusers"))
    with pytest.raises(ModelError, match="or has no Wan"):
        load_wan(folder, "cpu")


@pytest.mark.parametrize("kind", ["transformer", "autoencoder"])
def test_names_are_those_of_wans_checkpoints(kind):
    from diffusers import WanTransformer3DModel
    from diffusers.loaders import single_file_utils

    from tools.starter.wan import build

    if kind == "transformer":
        weights = WanTransformer3DModel(**{**build.TRANSFORMER, "num_layers": 1}).state_dict()
        rename, convert = name_in_transformer, single_file_utils.convert_wan_transformer_to_diffusers
    else:
        weights = build.build_autoencoder().state_dict()
        rename, convert = name_in_autoencoder, single_file_utils.convert_wan_vae_to_diffusers
    named = {rename(name): tensor for name, tensor in weights.items()}
    back = convert(dict(named))
    assert len(named) == len(weights) and back.keys() == weights.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in weights.items())
