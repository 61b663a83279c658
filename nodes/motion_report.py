"""MotionReport: a reference and its results in one picture, with their tracks and the numbers."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..motion_core.metrics.comparison import STILL, MotionScores, compare_motion
from ..motion_core.metrics.pictures.report import Row, draw_report
from ..motion_core.metrics.wording import FIDELITY_SCALE, describe_fidelity, format_scores
from ..motion_core.tracking.tracks import Tracks
from .host.clips import by_label
from .host.previews import preview_text
from .newer_host import if_known
from .sockets import MotionTracksSocket

REFERENCE = "reference"
LABELS = ("result", "result 2", "result 3")
SCORES = {
    "text_similarity": "From Text Similarity.",
    "temporal_consistency": "From Temporal Consistency.",
    "frame_consistency": "From Temporal Consistency.",
}


class MotionReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MotionReport",
            display_name="Motion Report",
            category="motion inversion/evaluation",
            description="One picture: frames of the reference and of up to three results, their tracks, the numbers.",
            **if_known(search_aliases=["results picture", "contact sheet", "evaluation"], has_intermediate_output=True),
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Image.Input("reference", tooltip="The frames of the reference."),
                MotionTracksSocket.Input("reference_tracks", optional=True, tooltip="From Track Motion."),
                *(each for number, label in enumerate(LABELS, start=1) for each in _inputs_of(number, label)),
                io.Float.Input(
                    "still",
                    default=STILL,
                    min=0.0,
                    max=100.0,
                    step=0.05,
                    optional=True,
                    tooltip="Pixels a frame up to which a point counts as still; 0: the paper's.",
                ),
                *(
                    io.Float.Input(name, optional=True, force_input=True, tooltip=f"Of the first result. {source}")
                    for name, source in SCORES.items()
                ),
            ],
            outputs=[
                io.Image.Output(display_name="report", tooltip="One picture, for Save Image."),
                io.String.Output(
                    display_name="numbers", tooltip="The numbers: fidelity and discrepancy where tracks are connected."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, reference: Tensor, reference_tracks: Tracks | None = None, still: float = STILL, **given: Any
    ) -> io.NodeOutput:
        results = [
            (given.get(f"label_{number}", label), given[f"result_{number}"], given.get(f"tracks_{number}"))
            for number, label in enumerate(LABELS, start=1)
            if f"result_{number}" in given
        ]
        rows = [(REFERENCE, reference, reference_tracks), *results]
        clips = by_label((label, images) for label, images, _ in rows)
        tracks = {label: found for label, _, found in rows if found is not None}
        motion = _measure(tracks, still)
        features = {name.replace("_", " "): given[name] for name in SCORES if name in given}
        remarks = {label: describe_fidelity(scores) for label, scores in motion.items()}
        drawn = {label: Row(clip, tracks.get(label), remarks.get(label, "")) for label, clip in clips.items()}
        report = draw_report(drawn, _list_notes(motion, features))[None]
        text = format_scores({**_name(motion), **features})
        shown = {**ui.PreviewImage(report, cls=cls).as_dict(), **preview_text(cls, text).as_dict()}
        return io.NodeOutput(report, text, ui=shown)


def _inputs_of(number: int, label: str) -> list[io.Input]:
    """The sockets and the label of one result; all but the first are optional."""
    images = io.Image.Input(f"result_{number}", optional=number > 1, tooltip="The frames of a result.")
    tracks = MotionTracksSocket.Input(f"tracks_{number}", optional=True, tooltip=f"Of result_{number}, to be compared.")
    name = io.String.Input(
        f"label_{number}", default=label, optional=True, tooltip=f"What stands above result_{number}."
    )
    return [images, tracks, name]


def _measure(tracks: dict[str, Tracks], still: float) -> dict[str, MotionScores]:
    """Compares each result that has tracks with the reference; nothing without the reference's."""
    results = dict(tracks)
    reference = results.pop(REFERENCE, None)
    if reference is None:
        return {}
    return {label: compare_motion(reference, found, still) for label, found in results.items()}


def _list_notes(motion: dict[str, MotionScores], features: dict[str, float]) -> list[str]:
    """What stands below the pictures: what the numbers mean, and those that are not beside a label."""
    scale = [FIDELITY_SCALE] if motion else []
    discrepancies = [f"discrepancy of {label}: {scores.discrepancy:.3g}" for label, scores in motion.items()]
    return [*scale, *(f"{line} (0: the same places)" for line in discrepancies), *format_scores(features).splitlines()]


def _name(motion: dict[str, MotionScores]) -> dict[str, float]:
    """The scores of each result by their names, in the order in which the node hands them out."""
    return {
        f"{name} of {label}": getattr(scores, name)
        for label, scores in motion.items()
        for name in ("fidelity", "discrepancy")
    }
