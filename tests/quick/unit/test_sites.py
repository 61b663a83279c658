import pytest
import torch

from motion_core.errors import ModelError, OptionError
from motion_core.models.families import find_sites, recognize
from motion_core.models.sites import select_sites


def test_zeroscope_shape_has_fifteen_blocks_of_two(unet):
    sites = find_sites(unet)
    assert len(sites) == 30 and len({site.block for site in sites}) == 15
    assert len({site.block for site in select_sites(sites, "deepest")}) == 5
    assert select_sites(sites, "all") == sites
    assert recognize(unet).family.name == "zeroscope"


def test_sites_have_checkpoint_keys_and_channels(unet):
    keys = set(unet.state_dict())
    for site in find_sites(unet):
        for part in ("to_q", "to_k", "to_v"):
            assert f"{site.name}.{part}.weight" in keys
        assert site.channels == site.to_v.weight.shape[1]


def test_deepest_is_the_lowest_resolution_level_without_the_mid_block(unet):
    names = {site.block for site in select_sites(find_sites(unet), "deepest")}
    assert {name.split(".temp")[0] for name in names} == {"down_blocks.2", "up_blocks.1"}


def test_a_pattern_selects_whole_blocks(unet):
    chosen = select_sites(find_sites(unet), r"up_blocks\.3.*attn1$")
    assert [site.name.split(".temp")[0] for site in chosen] == ["up_blocks.3"] * 6
    assert len({site.block for site in chosen}) == 3


def test_patterns_that_match_nothing_are_refused(unet):
    with pytest.raises(ModelError, match="matches none of"):
        select_sites(find_sites(unet), "middle")
    with pytest.raises(OptionError, match="no regular expression"):
        select_sites(find_sites(unet), "(")
    with pytest.raises(ModelError, match="no temporal attention"):
        find_sites(torch.nn.Linear(2, 2))


def test_every_level_has_layers_to_checkpoint(unet):
    assert sorted(recognize(unet).group_by_level()) == [0, 1, 2, 3]
