"""Every published recipe from the command line: trained, inspected, and used in a process of its own."""

import subprocess
import sys
from functools import partial

import pytest
import torch

from motion_core.commands.learn import GenerateConfig
from motion_core.errors import OptionError
from motion_core.motions.adapter import Adapter
from motion_core.motions.motion import read_motion
from motion_core.recipes.catalogue import ADAPTER_RECIPES
from motion_core.video.pictures.pixels import to_image
from motion_core.video.reading import read_clip
from motion_core.video.writing import write_clip
from tests.slow.cli.test_commands import ROOT, SMALL, refused, run
from tests.slow.cli.test_commands import clip as clip

NAMES = [recipe.name for recipe in ADAPTER_RECIPES]
EACH = pytest.mark.parametrize("recipe", NAMES)
BOTH_KINDS = pytest.mark.parametrize("recipe", ["motion_inversion", "vmc"])


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    write_clip(folder / "still.mp4", torch.full((8, 64, 96, 3), 0.5), 8)
    (folder / "still.txt").write_text("a gray wall\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def learn(tmp_path_factory, model_folder, clip, others):
    """Recipe -> its file, learnt in two steps; once for each."""
    made = {}

    def get(recipe):
        if recipe not in made:
            made[recipe] = tmp_path_factory.mktemp("adapters") / f"{recipe}.safetensors"
            more = ["--regularisation", others, "--also", clip] if recipe == "customizing_motion" else []
            arguments = ["--reference", clip, "--prompt", "a square", "--steps", "2", "--learning-rate", "0.01"]
            options = [*arguments, *SMALL, *more, "--model", model_folder, "--out", made[recipe]]
            assert run("learn", "--recipe", recipe, *options) == 0
        return made[recipe]

    return get


@EACH
def test_a_recipe_writes_a_file_that_describes_itself(recipe, learn, capsys):
    adapter = Adapter.load(learn(recipe))
    assert adapter.origin.recipe["method"] == recipe and adapter.origin.recipe["frames"] == 6
    capsys.readouterr()
    assert run("inspect", learn(recipe)) == 0
    page = capsys.readouterr().out
    assert "adapter" in page and "6 frames, 96x64, 8 fps" in page and "to_q" in page


def read_frames(path):
    return read_clip(path).frames


@EACH
def test_an_adapter_changes_what_is_generated(recipe, learn, model_folder, tmp_path):
    arguments = ["--motion", learn(recipe), "--prompt", "a ball", "--model", model_folder, "--steps", "2"]
    for name, strength in {"on": "1", "off": "0"}.items():
        assert run("generate", *arguments, "--strength", strength, "--out", tmp_path / f"{name}.mp4") == 0
    frames, without = read_frames(tmp_path / "on.mp4"), read_frames(tmp_path / "off.mp4")
    assert len(frames) == 6 and (frames - without).abs().mean() > 0.005  # more than rounding changes


def test_another_process_generates_the_same_with_the_adapters_of_all_recipes(learn, model_folder, tmp_path):
    motions = [part for recipe in NAMES for part in ("--motion", learn(recipe))]
    arguments = ["generate", *motions, "--prompt", "a ball", "--model", model_folder, "--steps", "2", "--out"]
    here, there, off = (tmp_path / f"{name}.mp4" for name in ("here", "there", "off"))
    assert run(*arguments, here) == 0
    assert run(*arguments, off, "--strength", "0") == 0
    command = [sys.executable, "-m", "motion_core", *arguments, there]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, capture_output=True)
    first, second, without = (read_frames(path) for path in (here, there, off))
    same, changed = (first - second).abs().mean(), (first - without).abs().mean()
    assert same < 0.1 * changed  # not bit by bit: the last digit of a sum depends on the machine's load


def test_a_setting_of_another_kind_of_motion_is_refused(learn, model_folder, tmp_path, capsys):
    adapter, embedding = ["--motion", learn("vmc")], ["--motion", learn("motion_inversion")]
    out = tmp_path / "x.mp4"
    generate = ["generate", "--prompt", "a ball", "--model", model_folder, "--steps", "1", "--out", out]
    printed = refused(capsys, *generate, *adapter, "--strength-v", "2")
    assert "--strength-v does nothing" in printed and "use one of --branches, --fade, --strength" in printed
    printed = refused(capsys, *generate, *embedding, "--strength", "0")
    assert "--strength does nothing" in printed and "--strength-qk" in printed
    assert not out.exists()
    assert run(*generate, *adapter, *embedding, "--strength", "0", "--strength-v", "2") == 0


def test_the_recipes_noise_is_taken_where_there_is_a_reference(learn, clip, model_folder, tmp_path):
    arguments = ["--motion", learn("vmc"), "--prompt", "a ball", "--model", model_folder, "--steps", "2"]
    paths = [tmp_path / f"{name}.mp4" for name in ("inverted", "same", "random")]
    for path, more in zip(
        paths, (["--reference", clip], ["--reference", clip, "--noise", "inversion"], []), strict=True
    ):
        assert run("generate", *arguments, *more, "--out", path) == 0
    inverted, same, random = (path.read_bytes() for path in paths)
    assert inverted == same != random


def learn_with(path, clip, model_folder, *options, recipe="vmc"):
    arguments = ["--reference", clip, "--prompt", "a square", "--steps", "3", "--learning-rate", "0.01", *SMALL]
    assert run("learn", "--recipe", recipe, *arguments, *options, "--model", model_folder, "--out", path) == 0
    return read_motion(path)


@pytest.fixture(scope="module")
def learn_plain(tmp_path_factory, clip, model_folder):
    """Recipe -> what is learnt in three steps of the clip alone; once for each."""
    made = {}

    def get(recipe):
        if recipe not in made:
            path = tmp_path_factory.mktemp("plain") / f"{recipe}.safetensors"
            made[recipe] = learn_with(path, clip, model_folder, recipe=recipe)
        return made[recipe]

    return get


def is_same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters, other.parameters, strict=True))


@BOTH_KINDS
def test_every_recipe_learns_from_versions_of_a_clip(recipe, clip, model_folder, tmp_path, learn_plain):
    colour = learn_with(tmp_path / "m.safetensors", clip, model_folder, "--augment", "colour", recipe=recipe)
    assert not is_same(colour, learn_plain(recipe))
    assert colour.origin.recipe["clips"] == 4 and learn_plain(recipe).origin.recipe["clips"] == 1


def test_versions_depend_on_the_seed_alone_and_one_is_the_clip_itself(clip, model_folder, tmp_path, learn_plain):
    both = [tmp_path / f"{name}.safetensors" for name in ("first", "again")]
    for path in both:
        learn_with(path, clip, model_folder, "--augment", "both", "--versions", "3")
    assert both[0].read_bytes() == both[1].read_bytes() and read_motion(both[0]).origin.recipe["clips"] == 3
    one = learn_with(tmp_path / "one.safetensors", clip, model_folder, "--versions", "1")
    assert is_same(one, learn_plain("vmc")) and not is_same(one, read_motion(both[0]))


@BOTH_KINDS
def test_timesteps_are_those_that_were_asked_for(recipe, clip, model_folder, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    options = [
        "--reference",
        clip,
        "--prompt",
        "a square",
        "--steps",
        "1",
        *SMALL,
        "--model",
        model_folder,
        "--out",
        out,
    ]
    assert run("learn", "--recipe", recipe, *options, "--timesteps", "500-999") == 0
    capsys.readouterr()
    assert run("inspect", out) == 0
    assert "timesteps: Uniform(low=500, high=1000)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run("learn", "--recipe", recipe, *options, "--timesteps", "late")
    assert "timesteps is 'late'; use all, a range" in capsys.readouterr().err


def test_another_clip_may_have_a_caption_of_its_own(clip, model_folder, others, tmp_path):
    captions = {"same": None, "other": "a white wall"}
    learnt = []
    for name, caption in captions.items():
        also = tmp_path / f"{name}.mp4"
        also.write_bytes((others / "still.mp4").read_bytes())
        if caption:
            also.with_suffix(".txt").write_text(caption, encoding="utf-8")
        learnt.append(learn_with(tmp_path / f"{name}.safetensors", clip, model_folder, "--also", also, "--seed", 1))
    assert not is_same(*learnt)


def test_pictures_of_a_subject(clip, model_folder, others, tmp_path, capsys):
    picture = tmp_path / "toy.png"
    to_image(read_clip(clip).frames[0]).save(picture)
    newmove = ["--recipe", "customizing_motion", "--regularisation", others]
    usual = ["--reference", clip, "--prompt", "x V*", "--steps", "1", *SMALL, "--model", model_folder]
    out = tmp_path / "x.safetensors"
    assert run("learn", *newmove, *usual, "--subject", picture, "a toy", "--subject", picture, "S*", "--out", out) == 0
    assert Adapter.load(out).origin.recipe["subjects"] == 2
    for recipe in ("vmc", "motion_inversion"):
        printed = refused(capsys, "learn", "--recipe", recipe, *usual, "--subject", picture, "a toy", "--out", out)
        assert f"{recipe} changes nothing within frames" in printed
    printed = refused(capsys, "learn", *newmove, *usual, "--subject", tmp_path / "no.png", "a toy", "--out", out)
    assert "no.png does not exist" in printed


@pytest.fixture
def stop_options(monkeypatch, clip_folder):
    """Options of an early stop with a preview after each step. A preview is made in four steps instead of 25."""
    monkeypatch.setattr("motion_core.commands.learn.GenerateConfig", partial(GenerateConfig, steps=4))
    return ["--clip", clip_folder, "--preview-prompt", "a red circle V*", "--check-every", "1"]


@BOTH_KINDS
def test_training_ends_where_a_preview_is_below_the_floor(
    recipe, clip, model_folder, tmp_path, capsys, stop_options, learn_plain
):
    plain = learn_plain(recipe)
    capsys.readouterr()
    options = [*stop_options, "--stop-appearance", "1"]
    motion = learn_with(tmp_path / "m.safetensors", clip, model_folder, *options, recipe=recipe)
    assert list(motion.origin.recipe["appearance_scores"]) == ["1"] and motion.origin.recipe["kept_step"] == 1
    assert "kept step 1" in capsys.readouterr().out
    assert not is_same(motion, plain)


def test_the_motion_of_the_best_preview_is_kept_where_there_is_no_floor(
    clip, model_folder, tmp_path, capsys, stop_options, learn_plain
):
    plain = learn_plain("vmc")
    capsys.readouterr()
    motion = learn_with(tmp_path / "m.safetensors", clip, model_folder, *stop_options)
    scores, kept = motion.origin.recipe["appearance_scores"], motion.origin.recipe["kept_step"]
    assert list(scores) == ["1", "2", "3"] and scores[str(kept)] == max(scores.values())
    assert f"kept step {kept}" in capsys.readouterr().out
    assert is_same(motion, plain) == (kept == 3)


@pytest.mark.parametrize(
    "options, says",
    [
        (["--recipe", "vmc", "--sites", "all"], "--sites does nothing"),
        (["--rank", "4"], "--rank does nothing"),
        (["--recipe", "motion_director", "--rank", "5000"], "rank is 5000"),
        (["--recipe", "customizing_motion"], "regularisation"),
        (["--recipe", "vmc", "--layers", "no such"], "matches none"),
        (["--layers", "temporal"], "--layers does nothing"),
        (["--recipe", "vmc", "--versions", "0"], "versions is 0"),
        (["--check-every", "5"], "--check-every needs a CLIP"),
        (["--preview-prompt", "x"], "--preview-prompt needs a CLIP"),
        (["--recipe", "vmc", "--stop-appearance", "0"], "--stop-appearance needs a CLIP"),
        (["--recipe", "vmc", "--clip", "x"], "give --preview-prompt"),
        (["--recipe", "vmc", "--clip", "x", "--preview-prompt", "x"], "x has no config.json"),
        (["--recipe", "vmc", "--clip", "x", "--preview-prompt", "x", "--stop-appearance", "2"], "floor is 2"),
    ],
)
def test_conflicting_options_are_refused(options, says, capsys, clip, model_folder, tmp_path):
    usual = ["--reference", clip, "--prompt", "x", "--out", tmp_path / "x.safetensors", "--model", model_folder, *SMALL]
    assert says in refused(capsys, "learn", *usual, *options)
    assert not list(tmp_path.iterdir())


def test_a_regularisation_set_without_captions_or_clips(capsys, clip, model_folder, others, tmp_path):
    usual = ["--reference", clip, "--prompt", "x", "--out", tmp_path / "x.safetensors", "--model", model_folder, *SMALL]
    empty = tmp_path / "empty"
    empty.mkdir()
    newmove = ["--recipe", "customizing_motion", "--regularisation"]
    assert "holds no clips" in refused(capsys, "learn", *usual, *newmove, empty)
    (empty / "still.mp4").write_bytes((others / "still.mp4").read_bytes())
    assert "still.txt" in refused(capsys, "learn", *usual, *newmove, empty)


def test_a_regularisation_set_of_single_frames_that_the_references_options_leave_alone(
    clip, model_folder, others, tmp_path, monkeypatch
):
    seen = []

    def remember(_model, references, *_, **__):
        seen.append(references)
        raise OptionError("no training in this test")

    monkeypatch.setattr("motion_core.commands.learn.train_motion", remember)
    folder = tmp_path / "set"
    folder.mkdir()
    frames = read_clip(clip).frames
    write_clip(folder / "moves.mp4", frames, 8)
    (folder / "moves.txt").write_text("a square moves", encoding="utf-8")
    to_image(frames[5]).save(folder / "frame.png")
    (folder / "frame.txt").write_text("a square\n", encoding="utf-8")
    usual = ["--reference", clip, "--prompt", "x", "--out", tmp_path / "x.safetensors", "--model", model_folder]
    options = [*usual, "--frames", "4", "--width", "96", "--height", "64", "--start", "2", "--reversed"]
    assert run("learn", "--recipe", "customizing_motion", *options, "--regularisation", folder) == 1
    assert not (tmp_path / "x.safetensors").exists()
    still, moving = seen[0].regularisation
    assert (still.caption, moving.caption) == ("a square", "a square moves")
    assert len(still.clip.frames) == 1 and (still.clip.frames[0] - frames[5]).abs().mean() < 0.01
    torch.testing.assert_close(moving.clip.frames, frames[:4], atol=0.1, rtol=0)
    torch.testing.assert_close(seen[0].clips[0].clip.frames, frames[2:6].flip(0), atol=0.1, rtol=0)
