"""LTX's transformer: each latent pixel is a token, and all of them attend to each other."""

import copy

import pytest
import torch
from torch import nn

from motion_core.diffusion.flow_schedule import FlowSchedule
from motion_core.errors import ModelError
from motion_core.guidance.dit_flow import DitFlow
from motion_core.hooks.applied import AppliedMotion
from motion_core.hooks.embedding_hooks import inject
from motion_core.models.families import recognize
from motion_core.models.ltx.denoiser import LtxDenoiser
from motion_core.models.ltx.family import LTX
from motion_core.models.ltx.tokens import LatentTokens
from motion_core.models.token_layout import LiveTokens
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import read_motion
from motion_core.recipes.catalogue import find_recipe
from motion_core.sampling.sample import sample
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.train import train
from tests.conftest import count_hooks, seeded

FRAMES, GRID, CHANNELS = 4, (2, 3), 32
CLIP = seeded(1, 8, FRAMES, *GRID)
TEXT = seeded(7, 12, seed=1)
T = torch.tensor([0.5])
RECIPES = {
    "motion_inversion": find_recipe("motion_inversion", "official").changed(sites="all", steps=12),
    "vmc": find_recipe("vmc", "published").changed(steps=12, learning_rate=1e-2),
}


@pytest.fixture(scope="module")
def ltx():
    from diffusers import LTXVideoTransformer3DModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=16, cross_attention_dim=32,
            num_layers=2, caption_channels=12,
        )  # fmt: skip
    return LtxDenoiser(module.eval(), FlowSchedule(shift=3.0))


def make_embedding(denoiser, change=torch.zeros_like):
    sites = recognize(denoiser.module).sites
    return MotionEmbedding.zeros("ltx", sites, {site.block: GRID for site in sites}, FRAMES).map(change)


def make_sample(denoiser, *motions):
    applied = [AppliedMotion.of(motion) for motion in motions]
    noise = seeded(*CLIP.shape, seed=5)
    return sample(denoiser, noise, [TEXT], torch.zeros(7, 12), motions=applied, steps=3)


def test_sites_and_layers_bear_the_names_of_ltxs_checkpoints(ltx):
    model = recognize(ltx.module)
    assert model.family is LTX and [site.name for site in model.sites] == [
        "transformer_blocks.0.attn1",
        "transformer_blocks.1.attn1",
    ]
    weights = set(ltx.module.state_dict())
    layers = model.list_layers()
    assert len(layers) == 20 and {f"{layer.name}.weight" for layer in layers} <= weights
    assert {layer.kind for layer in layers if layer.temporal} == {"self_q", "self_k", "self_v", "self_out"}


def test_a_zero_motion_changes_no_bit(ltx):
    plain = ltx.predict(CLIP, T, [TEXT])
    with inject(ltx.module, make_embedding(ltx)):
        assert torch.equal(ltx.predict(CLIP, T, [TEXT]), plain)
    assert not count_hooks(ltx.module)


def test_values_reach_the_tokens_of_their_frame_and_place(ltx):
    motion, seen = make_embedding(ltx, torch.randn_like), []
    site = recognize(ltx.module).sites[0]
    with site.to_out.register_forward_hook(lambda _layer, args, _output: seen.append(args[0])):
        ltx.predict(CLIP, T, [TEXT])
        with inject(ltx.module, motion, strength_qk=0.0):
            ltx.predict(CLIP, T, [TEXT])
    added = (seen[1] - seen[0])[0].unflatten(0, (FRAMES, *GRID))
    for frame, row, column in ((0, 0, 0), (2, 1, 2), (3, 0, 1)):
        expected = motion.v[site.name][row * GRID[1] + column, frame]
        torch.testing.assert_close(added[frame, row, column], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_a_motion_is_trained_saved_loaded_and_applied(name, ltx, tmp_path):
    weights = copy.deepcopy(ltx.module.state_dict())
    trained = train(ltx, ReferenceSet([Example(CLIP, TEXT)]), RECIPES[name])
    assert all(torch.equal(value, weights[key]) for key, value in ltx.module.state_dict().items())
    assert not count_hooks(ltx.module) and trained.motion.family == "ltx"
    trained.motion.save(tmp_path / "motion.safetensors", torch.float32)
    moved = make_sample(ltx, trained.motion)
    assert (moved - make_sample(ltx)).abs().max() > 1e-4
    torch.testing.assert_close(make_sample(ltx, read_motion(tmp_path / "motion.safetensors")), moved)


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_every_memory_mode_gives_the_same_motion(memory, ltx):
    references, recipe = ReferenceSet([Example(CLIP, TEXT)]), RECIPES["motion_inversion"]
    fast, other = (train(ltx, references, recipe.changed(memory=mode)) for mode in ("fast", memory))
    assert fast.losses == pytest.approx(other.losses, rel=1e-4)


class Latents(nn.Module):
    """Called as ComfyUI calls LTX's transformer."""

    def forward(self, x, timestep, keyframe_idxs=None):
        return self._process_input(x, keyframe_idxs, None)

    def _process_input(self, x, keyframe_idxs, denoise_mask):
        return x


@pytest.mark.parametrize(
    ("given", "guides", "frames"),
    [
        (seeded(2, 8, 5, 2, 3), None, 5),
        (seeded(2, 8, 5, 2, 3), torch.zeros(2, 3, 12), 3),  # two guiding frames at the end
        ([seeded(2, 8, 5, 2, 3), seeded(2, 4, 9)], None, 5),  # with sound
    ],
)
def test_guiding_frames_and_sound_are_not_the_videos(given, guides, frames):
    found, others, model = [], [], Latents()
    (one,) = LatentTokens(model).watch(found.append)
    (two,) = LatentTokens(model).watch(others.append)
    assert model(given, 0.5, keyframe_idxs=guides) is given
    one.remove()
    model(given, 0.5, keyframe_idxs=guides)
    two.remove()
    model(given, 0.5, keyframe_idxs=guides)
    assert found == [LiveTokens((2, 3), frames)] and others == 2 * found
    assert "_process_input" not in vars(model)


def test_tokens_of_guides_that_are_left_out_are_no_matter():
    """A video of 2 frames of 2x3 places, and 4 of the 6 tokens of a guiding frame."""
    layout, live = LatentTokens(nn.Identity()), LiveTokens((2, 3), 2)
    tokens, added = seeded(1, 16, 4), seeded(6, 2, 4, seed=1)
    assert layout.count_frames(tokens, live, 3) == 2  # the sampler has three
    result = layout.add(tokens, added, None, live)
    assert torch.equal(result[:, 12:], tokens[:, 12:])
    torch.testing.assert_close(result[0, :12] - tokens[0, :12], added.transpose(0, 1).flatten(0, 1))


def test_dit_flow_is_refused(ltx):
    with pytest.raises(ModelError, match="load Wan"):
        DitFlow.of(ltx, CLIP, TEXT)
