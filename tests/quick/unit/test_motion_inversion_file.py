import pytest
import torch

from motion_core.errors import FileError, OptionError
from motion_core.formats.motion_inversion import read_official, write_official
from motion_core.motions.embedding import MotionEmbedding

BLOCKS = ["down_blocks.2.temp_attentions.0.transformer_blocks.0", "up_blocks.1.temp_attentions.2.transformer_blocks.0"]


def official(frames=24, places=180, channels=16):
    """As the published code saves it at 576x320: parameters, 32 rows, trained rows first."""
    generator = torch.Generator().manual_seed(0)

    def rows(first):
        tensor = torch.zeros(first, 32, channels)
        tensor[:, :frames] = torch.randn(first, frames, channels, generator=generator)
        return torch.nn.Parameter(tensor)

    stored = {}
    for block in BLOCKS:
        stored[f"{block}.pos_embed"] = rows(1)
        for own in ("attn1", "attn2"):
            stored[f"{block}.{own}.vSpatial"] = rows(places)
    return stored


@pytest.fixture
def file(tmp_path):
    torch.save(official(), tmp_path / "motion_embed.pt")
    return tmp_path / "motion_embed.pt"


def test_official_to_ours_and_back(file, tmp_path):
    embedding = read_official(file, width=576, height=320)
    assert embedding.frames == 24 and set(embedding.grids.values()) == {(10, 18)} and embedding.layout == "official"
    embedding.save(tmp_path / "ours.safetensors", torch.float32)
    write_official(MotionEmbedding.load(tmp_path / "ours.safetensors"), tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    before = official()
    assert set(back) == set(before)
    assert all(torch.equal(back[key], before[key]) for key in before)


def test_the_untrained_rows_are_cut(file):
    embedding = read_official(file, width=576, height=320, frames=16)
    assert embedding.frames == 16
    before = official()
    for name, v in embedding.v.items():
        assert torch.equal(v, before[f"{name}.vSpatial"][:, :16])


def test_an_unknown_or_impossible_grid_is_refused(file):
    with pytest.raises(OptionError, match="width and height"):
        read_official(file)
    with pytest.raises(OptionError, match="no grid of 180 places"):
        read_official(file, width=512, height=512)


def test_motions_that_the_official_file_cannot_hold_are_refused(file, tmp_path):
    embedding = read_official(file, 576, 320)
    with pytest.raises(FileError, match="debiased by difference"):
        write_official(embedding.debiased("difference"), tmp_path / "x.pt")
    with pytest.raises(FileError, match="at most 32 frames"):
        write_official(embedding.resized(33), tmp_path / "x.pt")
    assert not (tmp_path / "x.pt").exists()


class Hostile:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize(
    "content", [{"a": Hostile()}, [], {}, {"weights": torch.zeros(2)}, {"a.b": torch.zeros(1, 2, 3)}]
)
def test_other_pickles_are_refused_and_run_nothing(tmp_path, content, capsys):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(FileError):
        read_official(tmp_path / "x.pt", 576, 320)
    assert "ran" not in capsys.readouterr().out


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path):
    stored = official()
    del stored[f"{BLOCKS[0]}.attn2.vSpatial"]
    torch.save(stored, tmp_path / "x.pt")
    with pytest.raises(FileError, match="attn2"):
        read_official(tmp_path / "x.pt", 576, 320)
    (tmp_path / "y.pt").write_bytes(b"text")
    with pytest.raises(FileError, match=r"no official motion_embed"):
        read_official(tmp_path / "y.pt", 576, 320)
