"""Every published recipe from the command line: learnt, looked at, and used in a process of its own."""

import subprocess
import sys

import pytest
import torch

from motion_core.motions.adapter import Adapter
from motion_core.recipes.catalogue import RECIPES
from motion_core.video.pictures.pixels import to_image
from motion_core.video.reading import read_clip
from motion_core.video.writing import write_clip
from tests.slow.cli.test_commands import ROOT, SMALL, refused, run
from tests.slow.cli.test_commands import clip as clip

EACH = pytest.mark.parametrize("recipe", RECIPES)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    write_clip(folder / "still.mp4", torch.full((8, 64, 96, 3), 0.5), 8)
    (folder / "still.txt").write_text("a gray wall\n")
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


@EACH
def test_it_moves_what_is_made_and_does_so_alike_in_another_process(recipe, learn, model_folder, tmp_path):
    arguments = ["--prompt", "a ball", "--model", model_folder, "--steps", "2"]
    felt, again, off = (tmp_path / f"{name}.mp4" for name in ("felt", "again", "off"))
    assert run("generate", "--motion", learn(recipe), *arguments, "--out", felt) == 0
    assert run("generate", "--motion", learn(recipe), *arguments, "--strength", "0", "--out", off) == 0
    command = [sys.executable, "-m", "motion_core", "generate", "--motion", learn(recipe), *arguments, "--out", again]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, capture_output=True)
    first, second, without = (read_clip(path).frames for path in (felt, again, off))
    assert len(first) == 6
    same, moved = (first - second).abs().mean(), (first - without).abs().mean()
    assert same < 0.1 * moved  # not bit by bit: the last digit of a sum depends on the machine's load


def test_the_recipes_noise_is_taken_where_there_is_a_reference(learn, clip, model_folder, tmp_path):
    arguments = ["--motion", learn("vmc"), "--prompt", "a ball", "--model", model_folder, "--steps", "2"]
    paths = [tmp_path / f"{name}.mp4" for name in ("inverted", "same", "random")]
    for path, more in zip(
        paths, (["--reference", clip], ["--reference", clip, "--noise", "inversion"], []), strict=True
    ):
        assert run("generate", *arguments, *more, "--out", path) == 0
    inverted, same, random = (path.read_bytes() for path in paths)
    assert inverted == same != random


def learn_with(path, clip, model_folder, *options):
    arguments = ["--reference", clip, "--prompt", "a square", "--steps", "3", "--learning-rate", "0.01", *SMALL]
    assert run("learn", "--recipe", "vmc", *arguments, *options, "--model", model_folder, "--out", path) == 0
    return Adapter.load(path)


def test_versions_of_a_clip_are_learnt_from(clip, model_folder, tmp_path, capsys):
    ways = {
        "plain": [],
        "one": ["--versions", "1"],
        "colour": ["--augment", "colour"],
        "again": ["--augment", "colour"],
    }
    learnt = {
        name: learn_with(tmp_path / f"{name}.safetensors", clip, model_folder, *more) for name, more in ways.items()
    }
    first = {name: adapter.parameters[0] for name, adapter in learnt.items()}
    assert torch.equal(first["plain"], first["one"]) and torch.equal(first["colour"], first["again"])
    assert not torch.equal(first["plain"], first["colour"])
    recipe = learnt["colour"].origin.recipe
    assert (recipe["augment"], recipe["versions"], recipe["clips"]) == ("colour", 4, 1)


@pytest.mark.parametrize("recipe", ["motion_inversion", "vmc"])
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
            also.with_suffix(".txt").write_text(caption)
        learnt.append(learn_with(tmp_path / f"{name}.safetensors", clip, model_folder, "--also", also, "--seed", 1))
    assert not torch.equal(learnt[0].parameters[0], learnt[1].parameters[0])


def test_pictures_of_a_subject(clip, model_folder, others, tmp_path, capsys):
    picture = tmp_path / "toy.png"
    to_image(read_clip(clip).frames[0]).save(picture)
    newmove = ["--recipe", "customizing_motion", "--regularisation", others]
    usual = ["--reference", clip, "--prompt", "x V*", "--steps", "1", *SMALL, "--model", model_folder]
    out = tmp_path / "x.safetensors"
    assert run("learn", *newmove, *usual, "--subject", picture, "a toy", "--subject", picture, "S*", "--out", out) == 0
    assert Adapter.load(out).origin.recipe["subjects"] == 2
    said = refused(capsys, "learn", "--recipe", "vmc", *usual, "--subject", picture, "a toy", "--out", out)
    assert "vmc changes nothing within frames" in said
    said = refused(capsys, "learn", *newmove, *usual, "--subject", tmp_path / "no.png", "a toy", "--out", out)
    assert "no.png does not exist" in said


def test_learning_ends_for_the_looks_sake(clip, model_folder, tmp_path, capsys, clip_folder):
    watched = ["--clip", clip_folder, "--preview-prompt", "a red circle V*", "--check-every", "1"]
    plain = learn_with(tmp_path / "plain.safetensors", clip, model_folder)
    for name, more, kept in (("on", ["--stop-appearance", "-1"], None), ("off", ["--stop-appearance", "1"], 1)):
        capsys.readouterr()
        adapter = learn_with(tmp_path / f"{name}.safetensors", clip, model_folder, *watched, *more)
        recipe = adapter.origin.recipe
        assert len(recipe["appearance_scores"]) == (3 if name == "on" else 1)
        assert f"kept step {recipe['kept_step']}" in capsys.readouterr().out
        assert kept is None or recipe["kept_step"] == kept
        assert torch.equal(adapter.parameters[0], plain.parameters[0]) == (recipe["kept_step"] == 3)


@pytest.mark.parametrize(
    "options, says",
    [
        (["--recipe", "vmc", "--sites", "all"], "--sites does nothing"),
        (["--rank", "4"], "--rank does nothing"),
        (["--recipe", "motion_director", "--rank", "5000"], "rank is 5000"),
        (["--recipe", "customizing_motion"], "regularisation"),
        (["--recipe", "vmc", "--layers", "no such"], "matches none"),
        (["--augment", "colour"], "--augment does nothing"),
        (["--recipe", "vmc", "--versions", "0"], "versions is 0"),
        (["--check-every", "5"], "--check-every does nothing"),
        (["--recipe", "vmc", "--stop-appearance", "0"], "--stop-appearance needs a CLIP"),
        (["--recipe", "vmc", "--clip", "x"], "give --preview-prompt"),
        (["--recipe", "vmc", "--clip", "x", "--preview-prompt", "x"], "x has no config.json"),
        (["--recipe", "vmc", "--clip", "x", "--preview-prompt", "x", "--stop-appearance", "2"], "floor is 2"),
    ],
)
def test_what_does_not_go_together(options, says, capsys, clip, model_folder, tmp_path):
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
    from motion_core.commands import learn as command

    seen = []
    monkeypatch.setattr(command, "learn_adapter", lambda model, shown, *rest: seen.append(shown))
    folder = tmp_path / "set"
    folder.mkdir()
    frames = read_clip(clip).frames
    write_clip(folder / "moves.mp4", frames, 8)
    (folder / "moves.txt").write_text("a square moves")
    to_image(frames[5]).save(folder / "frame.png")
    (folder / "frame.txt").write_text("a square\n")
    usual = ["--reference", clip, "--prompt", "x", "--out", tmp_path / "x.safetensors", "--model", model_folder]
    options = [*usual, "--frames", "4", "--width", "96", "--height", "64", "--start", "2", "--reversed"]
    with pytest.raises(AttributeError):  # nothing was learnt
        run("learn", "--recipe", "customizing_motion", *options, "--regularisation", folder)
    still, moving = seen[0].regularisation
    assert (still.caption, moving.caption) == ("a square", "a square moves")
    assert len(still.clip.frames) == 1 and (still.clip.frames[0] - frames[5]).abs().mean() < 0.01
    torch.testing.assert_close(moving.clip.frames, frames[:4], atol=0.1, rtol=0)
    torch.testing.assert_close(seen[0].clips[0].clip.frames, frames[2:6].flip(0), atol=0.1, rtol=0)
