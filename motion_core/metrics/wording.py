"""Scores in words."""

from __future__ import annotations

from collections.abc import Mapping

from .comparison import MotionScores

FIDELITY_WORDS = (
    (0.9, "the same motion"),
    (0.75, "much the same motion"),
    (0.4, "partly the same motion"),
    (0.2, "little in common"),
    (-0.2, "nothing in common"),
    (-0.75, "partly the opposite motion"),
    (-1.0, "the opposite motion"),
)
"""The least fidelity for each word, as a share of the highest one that a clip has with itself."""
MOVING = 0.02
"""A clip stands still if a smaller share of its steps moves."""
FIDELITY_SCALE = "motion fidelity: 1 the same motion, 0 nothing in common, below 0 the opposite"


def describe_fidelity(scores: MotionScores) -> str:
    """Says how alike two clips move: `motion fidelity 0.91: the same motion`.

    Where parts stand still, a clip has less than 1 even with itself. That is said too where it makes another word.
    """
    shares = {"reference": scores.reference_moving, "result": scores.result_moving}
    still = [name for name, share in shares.items() if share < MOVING]
    number = f"motion fidelity {_round(scores.fidelity):.2f}"
    if still:
        return f"{number}: both stand still" if len(still) == 2 else f"{number}: the {still[0]} stands still"
    highest = max(shares.values())
    word = find_word(scores.fidelity / highest)
    return f"{number}: {word}" if word == find_word(scores.fidelity) else f"{number} of {highest:.2f}: {word}"


def find_word(fidelity: float) -> str:
    """The word for a fidelity of -1..1, rounded as it is printed, so that no word contradicts its number."""
    return next(word for least, word in FIDELITY_WORDS if _round(fidelity) >= least)


def format_scores(scores: Mapping[str, float]) -> str:
    """Writes one line per score: `name: value`."""
    return "\n".join(f"{name}: {value:.3g}" for name, value in scores.items())


def _round(fidelity: float) -> float:
    """Rounds to two digits, never to -0 and never below -1."""
    return max(-1.0, round(fidelity, 2) + 0.0)
