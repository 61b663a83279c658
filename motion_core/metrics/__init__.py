"""How well a result keeps the reference's motion and follows its prompt. Training never imports this."""

from .clip_scores import frame_consistency, temporal_consistency, text_similarity
from .discrepancy import motion_discrepancy
from .fidelity import motion_fidelity

__all__ = ["frame_consistency", "motion_discrepancy", "motion_fidelity", "temporal_consistency", "text_similarity"]
