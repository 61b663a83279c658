import random
from dataclasses import replace
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from motion_core.errors import VideoError
from motion_core.starter.appearance import GROUND_COLOURS, SUBJECT_COLOURS, Ground, Subject, draw_ground
from motion_core.starter.paths import Motion
from motion_core.starter.recognition import Appearance, appearance_agreement, recognise
from motion_core.starter.scene import REACH, SIZE, Actor, draw_actor, draw_clip, render
from motion_core.starter.subject_tracking import Found, find_subject

CLIPS = 60
ATTRIBUTES = ("colour", "shape", "ground_colour", "texture")
SUBJECT, GROUND = Subject("yellow", "triangle"), Ground("teal", "striped")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw_scene(seed: int) -> tuple[Actor, Ground]:
    """What `draw_clip` draws, with the motion that it keeps to itself."""
    rng = random.Random(seed)
    return draw_actor(rng), draw_ground(rng)


def blur(clip: Tensor, sigma: float) -> Tensor:
    """A gaussian of sigma pixels over (N, H, W, 3); the picture goes on beyond its edges."""
    reach = 5
    kernel = (-torch.arange(-reach, reach + 1.0).square() / (2 * sigma**2)).exp()
    kernel = kernel / kernel.sum()
    planes = F.pad(clip.permute(0, 3, 1, 2), (reach,) * 4, mode="replicate").flatten(0, 1)[:, None]
    planes = F.conv2d(F.conv2d(planes, kernel[None, None, None]), kernel[None, None, :, None])
    return planes.view(len(clip), 3, SIZE, SIZE).permute(0, 2, 3, 1)


def degrade(actor: Actor, ground: Ground, sigma: float, contrast: float) -> Tensor:
    """The scene as a small model would give it: blurred, noisy, dim, and with a weaker texture."""
    plain = render(replace(ground, texture="plain"), [actor])
    clip = plain + contrast * (render(ground, [actor]) - plain)
    noise = 0.03 * torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))
    return (0.9 * blur(clip, sigma) + noise).clamp(0, 1)


def compare(appearance: Appearance, subject: Subject, ground: Ground) -> dict[str, list[bool]]:
    """Frame by frame: is each attribute right?"""
    return {
        "colour": [s is not None and s.colour == subject.colour for s in appearance.subjects],
        "shape": [s is not None and s.shape == subject.shape for s in appearance.subjects],
        "ground_colour": [g.colour == ground.colour for g in appearance.grounds],
        "texture": [g.texture == ground.texture for g in appearance.grounds],
    }


def true_track(actor: Actor) -> Tensor:
    return (0.5 + REACH * actor.motion.on_screen()) * SIZE


def track_errors(found: Found, actor: Actor) -> list[float]:
    """Distance in pixels to the true centre, in the frames that show the whole subject."""
    true = true_track(actor)
    reach = 1.15 * SIZE * actor.radius * actor.motion.zoom[:, None]
    whole = ((true - reach >= 0) & (true + reach <= SIZE)).all(-1)
    return (found.track - true).norm(dim=-1)[whole].tolist()


@cache
def recognition_of(kind: str) -> tuple[dict[str, float], list[float], float]:
    """Accuracy of each attribute over all frames, track errors, and the share of frames with a visible subject."""
    right: dict[str, list[bool]] = {name: [] for name in ATTRIBUTES}
    errors, visible = [], []
    for seed in range(CLIPS):
        actor, ground = draw_scene(seed)
        clip = render(ground, [actor]) if kind == "clean" else degrade(actor, ground, 1.2, 0.6)
        appearance = recognise(clip)
        for name, votes in compare(appearance, actor.subject, ground).items():
            right[name] += votes
        errors += track_errors(appearance.found, actor)
        visible += appearance.found.visible.tolist()
    return {name: sum(v) / len(v) for name, v in right.items()}, errors, sum(visible) / len(visible)


def still_scene(subject: Subject, ground: Ground, place: tuple[float, float] = (0.2, -0.3), frames: int = 8) -> Tensor:
    return render(ground, [Actor(subject, Motion.of(torch.tensor([place]).expand(frames, 2).clone()))])


def test_scenes_are_the_clips_of_the_training_distribution():
    clip, subject, ground = draw_clip(random.Random(3))
    actor, same_ground = draw_scene(3)
    assert (actor.subject, same_ground) == (subject, ground)
    assert torch.equal(render(ground, [actor]), clip)


@pytest.mark.parametrize(("kind", "least", "most"), [("clean", 0.99, 0.1), ("degraded", 0.97, 0.2)])
def test_appearance_and_tracks_of_random_clips_are_recognised(kind, least, most):
    accuracy, errors, visible = recognition_of(kind)
    assert min(accuracy.values()) >= least, accuracy
    assert sum(errors) / len(errors) < most
    assert max(errors) < 0.6
    assert visible == 1


@pytest.mark.parametrize("texture", ["plain", "striped", "checkered"])
@pytest.mark.parametrize("colour", GROUND_COLOURS)
def test_a_faint_blurred_texture_is_still_named(colour, texture):
    actor, _ = draw_scene(1)
    pan = torch.linspace(0, 1, 8)[:, None].expand(8, 2)
    zoomed = Motion(torch.zeros(8, 2), pan, torch.linspace(0.6, 1.5, 8))
    ground = Ground(colour, texture)
    appearance = recognise(degrade(replace(actor, motion=zoomed), ground, 1.5, 0.5))
    assert appearance.grounds == [ground] * 8


def test_the_centre_of_a_subject_that_leaves_the_picture_is_found():
    way = torch.stack([torch.linspace(0.5, 1.5, 12), torch.full((12,), 0.1)], -1)
    for shape in ("circle", "square", "triangle", "cross"):
        actor = Actor(Subject("green", shape), Motion.of(way))
        found = find_subject(render(GROUND, [actor]))
        assert (found.track - true_track(actor)).norm(dim=-1).max() < 0.5, shape


def test_the_radius_follows_the_zoom():
    zoom = torch.linspace(0.5, 1.6, 8)
    actor = Actor(SUBJECT, Motion(torch.zeros(8, 2), torch.zeros(8, 2), zoom))
    found = find_subject(render(GROUND, [actor]))
    assert torch.allclose(found.radius, actor.radius * SIZE * zoom, rtol=0.03)


def test_the_mask_covers_the_subject():
    actor = Actor(SUBJECT, Motion.of(torch.zeros(4, 2)))
    white_on_black = render(Ground("black", "plain"), [replace(actor, subject=Subject("white", "triangle"))])
    cover = ((white_on_black - 0.06) / 0.91).mean(-1)
    assert (find_subject(render(GROUND, [actor])).mask - cover).abs().mean() < 0.005


@pytest.mark.parametrize("ground", [Ground("gray", "plain"), Ground("black", "striped"), Ground("brown", "checkered")])
def test_a_clip_without_a_subject_shows_none(ground):
    empty = still_scene(SUBJECT, ground, place=(9.0, 9.0))
    found = find_subject(empty)
    assert not found.visible.any()
    assert found.mask.max() == 0
    assert found.track.isfinite().all()
    assert recognise(empty).subject is None
    agreement = appearance_agreement(empty, SUBJECT, ground)
    assert agreement == {"colour": 0, "shape": 0, "ground": 1, "mean": pytest.approx(1 / 3)}


def test_a_failed_clip_shows_no_subject():
    noise = torch.rand(3, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(0))
    for clip in (torch.zeros_like(noise), torch.ones_like(noise), noise):
        assert not find_subject(clip).visible.any()


def test_frames_without_a_subject_repeat_the_nearest_place():
    clip = still_scene(SUBJECT, GROUND)
    clip[:2] = still_scene(SUBJECT, GROUND, place=(9.0, 9.0))[:2]
    found = find_subject(clip)
    assert found.visible.tolist() == [False] * 2 + [True] * 6
    assert torch.equal(found.track[0], found.track[2])


@pytest.mark.parametrize(
    ("subject", "ground", "wrong"),
    [
        (Subject("white", "triangle"), GROUND, "colour"),
        (Subject("yellow", "circle"), GROUND, "shape"),
        (SUBJECT, Ground("brown", "striped"), "ground"),
        (SUBJECT, Ground("teal", "checkered"), "ground"),
        (SUBJECT, Ground("teal", "plain"), "ground"),
    ],
)
def test_a_wrong_attribute_lowers_its_own_score_alone(subject, ground, wrong):
    right = {"colour": 1, "shape": 1, "ground": 1}
    agreement = appearance_agreement(still_scene(subject, ground), SUBJECT, GROUND)
    assert agreement == right | {wrong: 0, "mean": pytest.approx(2 / 3)}


def test_half_of_the_frames_count_half():
    half = torch.cat([still_scene(SUBJECT, GROUND), still_scene(Subject("blue", "square"), Ground("gray", "plain"))])
    agreement = appearance_agreement(half, SUBJECT, GROUND)
    assert agreement == {"colour": 0.5, "shape": 0.5, "ground": 0.5, "mean": 0.5}


def test_every_colour_of_subject_is_distinguished_from_every_ground():
    for colour in SUBJECT_COLOURS:
        for ground_colour in GROUND_COLOURS:
            subject, ground = Subject(colour, "cross"), Ground(ground_colour, "checkered")
            appearance = recognise(still_scene(subject, ground, frames=1))
            assert (appearance.subject, appearance.ground) == (subject, ground)


def test_a_clip_of_another_size_is_refused():
    with pytest.raises(VideoError, match="64"):
        find_subject(torch.zeros(16, 32, 32, 3))
