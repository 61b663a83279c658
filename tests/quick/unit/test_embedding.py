import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from motion_core.errors import FileError, ModelError, OptionError
from motion_core.formats.motion_inversion import write_official
from motion_core.hooks.embedding_hooks import inject
from motion_core.motions.debias import frame_difference
from motion_core.motions.embedding import SPATIAL, MotionEmbedding
from motion_core.motions.origin import Origin
from motion_core.recipes.motion_inversion import OFFICIAL
from motion_core.training.train import train
from tests.material.tensor_files import read_copies
from tests.training_cases import EMBEDDING_RECIPE, one_clip


def make(frames=6, grid=(4, 6), family="zeroscope") -> MotionEmbedding:
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(*shape, generator=generator).half().float()

    block = "down_blocks.2.temp_attentions.0.transformer_blocks.0"
    places = grid[0] * grid[1]
    v = {f"{block}.{own}": draw(places, frames, 8) for own in ("attn1", "attn2")}
    origin = Origin(48, 32, 8.0, "a red circle", 5, {"steps": 3, "preset": "fast"})
    return MotionEmbedding(family, {block: draw(1, frames, 8)}, v, {block: grid}, origin)


def test_resizing_is_linear_in_time_and_bilinear_on_the_grid():
    ramp = torch.arange(4.0)[None, :, None] + 10 * torch.arange(4.0).repeat_interleave(4)[:, None, None]
    embedding = MotionEmbedding("zeroscope", {"b": torch.zeros(1, 4, 1)}, {"b": ramp}, {"b": (4, 4)})
    resized = embedding.resized(8, (8, 8))
    assert resized.frames == 8 and resized.grids["b"] == (8, 8)
    v = resized.v["b"].reshape(8, 8, 8)
    times = torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    torch.testing.assert_close(v[0, 0], times)
    torch.testing.assert_close(v[:, 3, 0], 10 * times)


def test_the_same_size_is_the_same_embedding():
    embedding = make()
    assert embedding.resized(6, (4, 6)) is embedding and embedding.resized(6) is embedding


def test_a_pair_is_the_finest_grid_and_coarser_ones_keep_their_ratio():
    z = torch.zeros
    embedding = MotionEmbedding(
        "zeroscope",
        {"a": z(1, 2, 1), "b": z(1, 2, 1)},
        {"a": z(8 * 12, 2, 1), "b": z(4 * 6, 2, 1)},
        {"a": (8, 12), "b": (4, 6)},
    )
    assert embedding.resized(2, (10, 18)).grids == {"a": (10, 18), "b": (5, 9)}
    with pytest.raises(ModelError, match="no grid is known for b"):
        embedding.resized(2, {"a": (1, 1)})


def test_debiasing_comes_after_resizing_whatever_the_order():
    embedding = make()
    for mode in ("difference", "mean"):
        first = embedding.debiased(mode).resized(11, (3, 5))
        last = embedding.resized(11, (3, 5)).debiased(mode)
        for name in first.v:
            torch.testing.assert_close(first.v[name], last.v[name], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(first.qk, last.qk)


def test_debiasing_by_difference_is_undone_by_a_running_sum_and_applied_once():
    embedding = make()
    debiased = embedding.debiased("difference")
    for name, v in embedding.v.items():
        torch.testing.assert_close(debiased.v[name].cumsum(1), v)
    assert debiased.debiased("difference") is debiased and embedding.debiased("none") is embedding
    with pytest.raises(OptionError, match="debias is 'some'"):
        embedding.debiased("some")


def test_debiasing_is_a_property_that_another_mode_replaces():
    embedding = make()
    again = embedding.debiased("mean").debiased("difference")
    assert again.debiased_by == "difference"
    for name, v in embedding.v.items():
        assert torch.equal(again.trained_v[name], v)
        assert torch.equal(again.v[name], frame_difference(v))
        torch.testing.assert_close(embedding.debiased("mean").v[name].mean(1), torch.zeros(len(v), v.shape[2]))


def test_save_load_save_gives_the_same_bytes(tmp_path):
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    embedding = make()
    embedding.save(a)
    loaded = MotionEmbedding.load(a)
    loaded.save(b)
    assert a.read_bytes() == b.read_bytes()
    assert loaded.origin == embedding.origin and loaded.grids == embedding.grids and loaded.family == embedding.family
    torch.testing.assert_close(dict(loaded.v), dict(embedding.v), atol=0, rtol=0)
    assert {t.dtype for t in read_copies(a).values()} == {torch.float16}


@pytest.mark.parametrize(("mode", "version"), [("none", "1"), ("difference", "2"), ("mean", "2")])
def test_the_file_holds_v_as_trained_and_names_its_debiasing(tmp_path, mode, version):
    path = tmp_path / "a.safetensors"
    make().debiased(mode).save(path, torch.float32)
    with safe_open(path, "pt") as file:
        assert file.metadata()["version"] == version
    loaded = MotionEmbedding.load(path)
    assert loaded.debiased_by == mode
    for name, v in make().trained_v.items():
        assert torch.equal(read_copies(path)[f"{name}.v"], v)
        assert torch.equal(loaded.v[name], make().debiased(mode).v[name])


def test_a_file_of_version_1_that_holds_a_debiased_v_is_read(tmp_path):
    path, embedding = tmp_path / "a.safetensors", make()
    embedding.save(path, torch.float32)
    with safe_open(path, "pt") as file:
        about = {**file.metadata(), "debiased_by": "difference"}
    del about["digest"]
    tensors = read_copies(path)
    stored = {key: frame_difference(t) if key.endswith(".v") else t for key, t in tensors.items()}
    save_file(stored, path, about)
    loaded = MotionEmbedding.load(path)
    for name, v in embedding.v.items():
        torch.testing.assert_close(loaded.trained_v[name], v)
        torch.testing.assert_close(loaded.v[name], frame_difference(v))


def rewrite(path, tensors=None, about=None):
    """Save the file again with something changed."""
    with safe_open(path, "pt") as file:
        description = file.metadata()
        held = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    changed = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (about or {}).items()}
    save_file({**held, **(tensors or {})}, path, {**description, **changed})


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "motion.safetensors"
    make().save(path)
    return path


QK = "down_blocks.2.temp_attentions.0.transformer_blocks.0.qk"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"about": {"version": 3}}, "update the pack"),
        ({"about": {"version": "one"}}, "names no format version"),
        ({"about": {"grids": {}}}, "unknown tensor"),
        ({"about": {"grids": {"x": [2, 2]}}}, "lacks tensor x.attn1.v"),
        ({"about": {"grids": {QK[:-3]: [4, 5]}}}, "has shape"),
        ({"about": {"grids": {QK[:-3]: [10**6, 10**6]}}}, "incomplete or wrong metadata"),
        ({"about": {"frames": 7}}, "has shape"),
        ({"about": {"layout": "round"}}, "layout 'round'"),
        ({"about": {"layout": "paper"}}, "tensor"),
        ({"about": {"frames": "many"}}, "incomplete or wrong metadata"),
        ({"about": {"recipe": "{"}}, "incomplete or wrong metadata"),
        ({"tensors": {QK: torch.full((1, 6, 8), torch.nan)}}, "not finite"),
        ({"tensors": {QK: torch.zeros(1, 6, 9)}}, "differ in channels"),
        ({"tensors": {QK: torch.zeros(6, 8)}}, "has shape"),
        ({"tensors": {QK: torch.zeros(1, 6, 8, dtype=torch.int32)}}, "dtype"),
        ({"tensors": {"more.qk": torch.zeros(1, 6, 8)}}, "unknown tensor more.qk"),
        ({"about": {"format": "pt"}}, "no motion embedding"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(saved, change, sentence):
    rewrite(saved, **change)
    with pytest.raises(FileError, match=sentence) as caught:
        MotionEmbedding.load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\xff" * 8 + b"{}", (5 * 2**30).to_bytes(8, "little") + b"{}", b"PK\x03\x04pickle"],
)
def test_files_that_are_not_safetensors_are_refused(tmp_path, content):
    path = tmp_path / "motion.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileError, match="damaged or no safetensors"):
        MotionEmbedding.load(path)


def test_truncated_missing_and_pickled_files_are_refused(saved, tmp_path):
    saved.write_bytes(saved.read_bytes()[:-10])
    with pytest.raises(FileError, match="damaged"):
        MotionEmbedding.load(saved)
    with pytest.raises(FileError, match="does not exist"):
        MotionEmbedding.load(tmp_path / "none.safetensors")
    torch.save({}, tmp_path / "motion_embed.pt")
    with pytest.raises(FileError, match="is a pickle.*convert"):
        MotionEmbedding.load(tmp_path / "motion_embed.pt")


def test_a_file_from_before_the_first_version_is_read(saved):
    with safe_open(saved, "pt") as file:
        about = file.metadata()
    for name in ("layout", "debiased_by", "digest"):
        del about[name]
    save_file(read_copies(saved), saved, {**about, "version": "0"})
    assert MotionEmbedding.load(saved).layout == "official"


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    for place in ("pathlib.Path.write_bytes", "os.replace", "tempfile.mkstemp"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(FileError, match="No space left"):
                make().save(saved)
        assert saved.read_bytes() == before and [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_values_beyond_half_precision_are_refused(tmp_path):
    embedding = make()
    embedding = replace(embedding, qk={name: t * 1e6 for name, t in embedding.qk.items()})
    with pytest.raises(FileError, match="not finite"):
        embedding.save(tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileError, match="ending"):
        make().save(tmp_path / "a.bin")


def test_tensors_of_different_lengths_are_refused():
    embedding = make()
    with pytest.raises(OptionError, match="one length"):
        replace(embedding, qk={name: t[:, :3] for name, t in embedding.qk.items()})


@pytest.mark.parametrize("spatial", SPATIAL)
def test_qk_and_v_may_each_differ_from_place_to_place(denoiser, spatial, tmp_path):
    """The paper's ablation: trained, saved, resized and applied whichever has places."""
    latents, text = torch.randn(1, 4, 4, 8, 8), torch.randn(1, 5, 16)
    learnt = train(denoiser, one_clip(latents, text), EMBEDDING_RECIPE.changed(steps=2, spatial=spatial)).motion
    for kind, wide in zip((learnt.qk, learnt.v), SPATIAL[spatial], strict=True):
        places = {name: math.prod(learnt.grids[learnt.block_of(name)]) if wide else 1 for name in kind}
        assert {name: len(t) for name, t in kind.items()} == places
        assert all(t.abs().max() > 0 for t in kind.values())
    learnt.save(tmp_path / "m.safetensors", torch.float32)
    again = MotionEmbedding.load(tmp_path / "m.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(again.parameters, learnt.parameters, strict=True))
    larger, t = torch.randn(2, 4, 6, 16, 8), torch.tensor([500, 500])
    plain = denoiser.predict(larger, t, text.expand(2, -1, -1))
    with inject(denoiser.module, again.debiased("difference")):
        applied = denoiser.predict(larger, t, text.expand(2, -1, -1))
    assert applied.isfinite().all() and not torch.equal(applied, plain)
    if spatial != "v":
        with pytest.raises(FileError, match="a v for each place"):
            write_official(again, tmp_path / "motion_embed.pt")


def test_an_unknown_spatial_setting_is_refused():
    with pytest.raises(OptionError, match="spatial is 'everywhere'"):
        OFFICIAL.changed(spatial="everywhere")
