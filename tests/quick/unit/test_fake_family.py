"""A family is added by one room and one line: a model that the core has never seen trains, saves, loads and samples."""

import copy

import pytest
import torch
from fake_family import FAKE, build_fake

from motion_core.errors import ModelError
from motion_core.hooks.applied import AppliedMotion
from motion_core.hooks.embedding_hooks import inject
from motion_core.models import families
from motion_core.models.families import find_sites, recognize
from motion_core.motions.embedding import MotionEmbedding
from motion_core.motions.motion import read_motion
from motion_core.recipes.catalogue import find_recipe
from motion_core.sampling.inversion import invert
from motion_core.sampling.sample import sample
from motion_core.training.examples import Example, ReferenceSet
from motion_core.training.train import train
from tests.conftest import count_hooks, seeded

CLIP = seeded(1, 4, 5, 6, 4)
GRID = (6, 4)
RECIPES = {
    "motion_inversion": find_recipe("motion_inversion", "official").changed(sites="all", steps=12),
    "vmc": find_recipe("vmc", "published").changed(steps=12, learning_rate=1e-2),
}


@pytest.fixture
def denoiser(monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", [*families.FAMILIES, FAKE])
    return build_fake()


def references():
    return ReferenceSet([Example(CLIP, "a hop")])


def make_sample(denoiser, *motions, frames=5, grid=GRID):
    applied = [AppliedMotion.of(motion) for motion in motions]
    return sample(denoiser, seeded(1, 4, frames, *grid, seed=5), ["a jump"], "", motions=applied, steps=3)


def test_a_model_of_no_family_is_refused_and_names_those_known(denoiser):
    with pytest.raises(ModelError, match="one of these families: zeroscope, animatediff, .*fake"):
        recognize(torch.nn.Linear(2, 2))


def test_the_family_is_found_with_its_sites_and_layers(denoiser):
    model = recognize(denoiser.module)
    assert model.family is FAKE and [site.name for site in model.sites] == ["along_time.0", "along_time.1"]
    assert len(model.list_layers()) == 8


def test_a_zero_embedding_gives_the_same_bits(denoiser):
    sites = find_sites(denoiser.module)
    zero = MotionEmbedding.zeros("fake", sites, {site.block: GRID for site in sites}, 5)
    t = torch.tensor([500])
    plain = denoiser.predict(CLIP, t, ["a hop"])
    with inject(denoiser.module, zero):
        assert torch.equal(denoiser.predict(CLIP, t, ["a hop"]), plain)


@pytest.mark.parametrize("name", RECIPES)
def test_a_motion_is_trained_saved_loaded_and_applied(name, denoiser, tmp_path):
    weights = copy.deepcopy(denoiser.module.state_dict())
    trained = train(denoiser, references(), RECIPES[name])
    assert all(torch.equal(value, weights[key]) for key, value in denoiser.module.state_dict().items())
    assert not count_hooks(denoiser.module) and trained.motion.family == "fake"
    assert any(tensor.any() for tensor in trained.motion.parameters)
    trained.motion.save(tmp_path / "motion.safetensors", torch.float32)
    loaded = read_motion(tmp_path / "motion.safetensors")
    plain, moved = make_sample(denoiser), make_sample(denoiser, trained.motion)
    assert (moved - plain).abs().max() > 1e-3
    torch.testing.assert_close(make_sample(denoiser, loaded), moved)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_every_memory_mode_gives_the_same_motion(name, memory, denoiser):
    fast, other = (train(denoiser, references(), RECIPES[name].changed(memory=mode)) for mode in ("fast", memory))
    assert other.memory.mode == memory and fast.losses == pytest.approx(other.losses, rel=1e-4)


def test_a_motion_fits_another_length_and_grid(denoiser):
    motion = train(denoiser, references(), RECIPES["motion_inversion"]).motion
    assert make_sample(denoiser, motion, frames=8, grid=(3, 6)).shape == (1, 4, 8, 3, 6)


def test_inversion_leads_back_to_the_clip(denoiser):
    noise = invert(denoiser, CLIP, "a hop", steps=50)
    again = sample(denoiser, noise, ["a hop"], steps=50)
    assert (again - CLIP).square().mean() < 0.1 * CLIP.square().mean()


@pytest.mark.parametrize("name", RECIPES)
def test_a_motion_of_another_family_is_refused(name, denoiser, unet):
    motion = train(denoiser, references(), RECIPES[name].changed(steps=1)).motion
    with pytest.raises(ModelError, match="learnt on the fake family and the model is of the zeroscope family"):
        AppliedMotion.of(motion).attached(unet).__enter__()
