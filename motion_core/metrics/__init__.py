"""How well a result keeps the reference's motion and follows its prompt. Training never imports this."""

from .clip_scores import frame_consistency, temporal_consistency, text_similarity
from .copying import appearance_leakage, appearance_likeness, copy_score
from .discrepancy import motion_discrepancy
from .fidelity import motion_fidelity, raw_motion_fidelity
from .frechet import frechet_distance
from .retrieval import average_precision, mean_average_precision

__all__ = [
    "appearance_leakage",
    "appearance_likeness",
    "average_precision",
    "copy_score",
    "frame_consistency",
    "frechet_distance",
    "mean_average_precision",
    "motion_discrepancy",
    "motion_fidelity",
    "raw_motion_fidelity",
    "temporal_consistency",
    "text_similarity",
]
