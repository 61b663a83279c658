import pytest
import torch
from torch import nn

from motion_core.errors import ModelError
from motion_core.hooks.embedding_hooks import inject
from motion_core.memory.checkpointing import checkpointed
from motion_core.memory.freezing import frozen
from motion_core.models.family import family_of, find_modules_by_level, find_sites
from motion_core.models.sites import select_sites
from motion_core.motions.embedding import MotionEmbedding
from motion_core.training.prefix import Prefix
from motion_core.training.train import measure_grids
from tests.conftest import seeded


def begin(denoiser, latents, text, which):
    sites = select_sites(find_sites(denoiser.module), which)
    grids = measure_grids(denoiser, sites, latents, text)
    embedding = MotionEmbedding.zeros(family_of(denoiser.module), sites, grids, latents.shape[2])
    embedding = embedding.map(lambda n, t: seeded(*t.shape, seed=1), lambda n, t: seeded(*t.shape, seed=2))
    return sites, embedding


def gradients(denoiser, embedding, z, t, text):
    for parameter in embedding.parameters:
        parameter.grad = None
        parameter.requires_grad_()
    predicted = denoiser.predict(z, t, text)
    predicted.square().mean().backward()
    return [predicted.detach(), *(p.grad for p in embedding.parameters)]


@pytest.mark.parametrize("layers", ["kept", "checkpointed"])
@pytest.mark.parametrize("which", ["deepest", "all"])
def test_gradients_are_the_same_bit_for_bit(either, latents, text, which, layers):
    module = either.module
    sites, embedding = begin(either, latents, text, which)
    clips = [(seeded(*latents.shape, seed=9), torch.tensor([900])), (seeded(*latents.shape, seed=8), torch.tensor([5]))]
    again = [layer for level in find_modules_by_level(module).values() for layer in level] * (layers == "checkpointed")
    states = [{}, {}]
    with frozen(module), checkpointed(again), inject(module, embedding):
        plain = [gradients(either, embedding, z, t, text) for z, t in clips]
        prefix = Prefix.find(module, sites, lambda: either.predict(latents, torch.tensor([1]), text))
        with prefix.at_work():
            for number in (0, 1, 1, 0):  # computed and kept, then twice from what is kept
                prefix.state = states[number]
                z, t = clips[number]
                found = gradients(either, embedding, z if number or not states[0] else z * torch.nan, t, text)
                assert all(torch.equal(a, b) for a, b in zip(found, plain[number], strict=True))
    assert not any("forward" in vars(part) for part in module.modules())


def test_what_is_before_the_first_site_does_not_run_again(denoiser, latents, text):
    module, ran = denoiser.module, []
    sites, _ = begin(denoiser, latents, text, "deepest")
    prefix = Prefix.find(module, sites, lambda: denoiser.predict(latents, torch.tensor([1]), text))
    watched = [module.time_embedding.linear_1, module.transformer_in.proj_in, module.down_blocks[1].resnets[0].conv1]
    watched += [module.down_blocks[2].resnets[0].conv1, module.down_blocks[2].attentions[0].proj_in]
    after = module.down_blocks[2].temp_attentions[0].proj_out
    hooks = [part.register_forward_hook(lambda part, *_: ran.append(part)) for part in [*watched, after]]
    with torch.no_grad(), prefix.at_work():
        prefix.state = {}
        for _ in range(2):
            ran.clear()
            denoiser.predict(latents, torch.tensor([1]), text)
        assert set(ran) == {after}
        prefix.state = None
        denoiser.predict(latents, torch.tensor([1]), text)
        assert set(ran) == {*watched, after}
    for hook in hooks:
        hook.remove()


def test_only_what_is_looked_at_is_kept(denoiser, latents, text):
    """ZeroScope: transformer_in, three of each of two levels, and about the first site what it adds itself to."""
    sites, _ = begin(denoiser, latents, text, "deepest")
    prefix = Prefix.find(denoiser.module, sites, lambda: denoiser.predict(latents, torch.tensor([1]), text))
    n, h, w = latents.shape[2:]
    fine, middle, deep = (n * 4 * side for side in (h * w, h * w // 4, h * w // 16))
    skips = 8 * (3 * fine + middle) + 16 * (2 * middle + deep)
    assert prefix.needed[denoiser.module.conv_in] == [False]
    assert skips + 16 * deep <= prefix.size <= skips + 16 * deep * 5


def test_a_model_that_never_does_the_same_twice_is_refused(denoiser, latents, text):
    sites, _ = begin(denoiser, latents, text, "deepest")
    draws = iter(range(100))
    with pytest.raises(ModelError, match="set pool to 0"):
        Prefix.find(
            denoiser.module, sites, lambda: denoiser.predict(latents, torch.tensor([1]), text) + 10.0 * next(draws)
        )


def test_a_layer_that_runs_twice_computes(denoiser, latents, text):
    class Twice(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x) + self.layer(x + 1)

    module = denoiser.module
    sites, _ = begin(denoiser, latents, text, "deepest")
    inner = module.conv_in
    module.conv_in = Twice(inner)
    try:
        prefix = Prefix.find(module, sites, lambda: denoiser.predict(latents, torch.tensor([1]), text))
        assert inner not in prefix.needed and module.conv_in in prefix.needed
    finally:
        module.conv_in = inner
