"""Filmed clips, each with a text file of its name, scored by tracks and, with a CLIP, by its features."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from ...errors import OptionError, VideoError
from ...metrics.clip_features import ClipEncoder, load_clip
from ...metrics.clip_scores import (
    appearance_likeness,
    frame_consistency,
    temporal_consistency,
    text_similarity,
)
from ...metrics.comparison import compare_motion
from ...metrics.image_reward import ImageReward, load_image_reward
from ...pipeline import CaptionedClip
from ...tracking.tracker import Tracker, find_tracker
from ...tracking.tracks import Tracks
from ...video.frames.options import ClipOptions
from ...video.reading import Clip, read_clip
from .protocol import Sample

VIDEOS = (".mp4", ".webm", ".mov", ".mkv", ".gif")
_MOTION = {"fidelity": "motion fidelity", "discrepancy": "motion discrepancy"}
_LOOKS = {
    "text_similarity": "text similarity",
    "temporal_consistency": "temporal consistency",
    "frame_consistency": "frame consistency",
    "likeness": "likeness to the reference",
}
_REWARD = {"image_reward": "ImageReward"}


@dataclass(frozen=True)
class Filmed:
    """folder: of clips, each with a text file of its name whose first line says what it shows and whose others are
    prompts; others: a folder of related clips with captions for the recipes that need them; frames, width, height,
    every, start: what is taken of a clip; tracker, weights: see `motion_core.tracking`; encoder: a CLIP, or
    None; reward: ImageReward, or None.

    Likeness is the mean over frames of the cosine with the most similar frame of the reference: what of it is leakage
    shows beside a method without the motion under the same prompts (a suite's `control`).
    """

    folder: Path
    options: ClipOptions
    tracker: Tracker
    encoder: ClipEncoder | None = None
    others: Path | None = None
    reward: ImageReward | None = None

    @classmethod
    def of(
        cls,
        folder: str,
        *,
        frames: int = 16,
        width: int = 512,
        height: int = 320,
        start: int = 0,
        every: int = 1,
        tracker: str = "auto",
        weights: str | None = None,
        clip: str | None = None,
        others: str | None = None,
        image_reward: str | None = None,
    ) -> Filmed:
        options = ClipOptions(frames, start, every, width, height)
        found = find_tracker(tracker, weights=Path(weights) if weights else None)
        encoder = load_clip(Path(clip)) if clip else None
        reward = load_image_reward(Path(image_reward)) if image_reward else None
        made = cls(Path(folder), options, found, encoder, Path(others) if others else None, reward)
        made.names  # noqa: B018  an empty folder is refused before minutes of work
        return made

    @property
    def columns(self) -> Mapping[str, str]:
        return {**_MOTION, **(_LOOKS if self.encoder else {}), **(_REWARD if self.reward else {})}

    @property
    def names(self) -> Sequence[str]:
        names = [path.stem for path in find_videos(self.folder)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise VideoError(f"{self.folder} holds two clips called {twice}; keep one")
        return names

    def reference(self, name: str, *, backwards: bool = False, frames: int = 0) -> CaptionedClip:
        path = next(path for path in find_videos(self.folder) if path.stem == name)
        options = replace(self.options, reversed=backwards, frames=frames or self.options.frames)
        return CaptionedClip(read_clip(path, options), read_lines(path)[0])

    def references(self, name: str, *, backwards: bool = False) -> Sequence[CaptionedClip]:
        return [self.reference(name, backwards=backwards)]

    def first_frame(self, name: str, sample: Sample) -> NoReturn:
        """Raises OptionError: nobody has filmed the reference with new looks."""
        raise OptionError("filmed clips have no first frames of new looks; leave `image` out of the methods")

    def regularisation(self, name: str) -> Sequence[CaptionedClip]:
        if self.others is None:
            return []
        return [CaptionedClip(read_clip(path, self.options), read_lines(path)[0]) for path in find_videos(self.others)]

    def subjects(self, name: str) -> Sequence[CaptionedClip]:
        return []

    def samples(self, name: str, seeds: int) -> Sequence[Sample]:
        path = next(path for path in find_videos(self.folder) if path.stem == name)
        prompts = read_lines(path)[1:]
        if not prompts:
            raise VideoError(f"{path.with_suffix('.txt').name} has no prompts; write one a line below the caption")
        pairs = [(prompt, seed) for prompt in prompts for seed in range(seeds)]
        return [
            Sample(number, prompt, random.Random(f"noise {name} {prompt} {seed}").getrandbits(48))
            for number, (prompt, seed) in enumerate(pairs)
        ]

    def score(self, name: str, sample: Sample, frames: Tensor, *, backwards: bool = False) -> dict[str, float]:
        reference = self.reference(name, backwards=backwards)
        motion = compare_motion(self.follow(reference.clip), self.follow(Clip(frames, reference.clip.fps)))
        scores = {"fidelity": motion.fidelity, "discrepancy": motion.discrepancy}
        if self.encoder:
            scores |= self.score_appearance(reference, sample, frames)
        if self.reward:
            scores["image_reward"] = float(self.reward.score(frames, sample.prompt))
        return scores

    def follow(self, clip: Clip) -> Tracks:
        return Tracks(self.tracker.track(clip.frames), *clip.frames.shape[1:3])

    def score_appearance(self, reference: CaptionedClip, sample: Sample, frames: Tensor) -> dict[str, float]:
        encoder = self.encoder
        assert encoder is not None
        made, prompt = encoder.encode_frames(frames), encoder.encode_text(sample.prompt)
        filmed = encoder.encode_frames(reference.clip.frames)
        return {
            "text_similarity": float(text_similarity(made, prompt)),
            "temporal_consistency": float(temporal_consistency(made)),
            "frame_consistency": float(frame_consistency(made)),
            "likeness": float(appearance_likeness(made, filmed)),
        }


def find_videos(folder: Path) -> list[Path]:
    """The clips of a folder by name. Raises VideoError."""
    paths = [path for path in folder.glob("*") if path.suffix.lower() in VIDEOS]
    if not paths:
        raise VideoError(f"{folder} holds no clips ({', '.join(VIDEOS)}); name a folder that does")
    return sorted(paths, key=lambda path: path.name)  # paths themselves are sorted otherwise on Windows


def read_lines(video: Path) -> list[str]:
    """The lines of the text file of a clip's name. Raises VideoError where there is none or it is empty."""
    path = video.with_suffix(".txt")
    written = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    lines = [line.strip() for line in written if line.strip()]
    if not lines:
        raise VideoError(f"{video.name} has no caption; write what it shows into {path.name} beside it")
    return lines
