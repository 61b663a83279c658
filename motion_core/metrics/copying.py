"""Do the reference's looks come through? Scores from features of frames that someone else computed."""

import torch
from torch import Tensor

from ..errors import OptionError
from .features import check_one_length, to_units


def copy_score(output_features: Tensor, training_features: Tensor, threshold: float) -> Tensor:
    """Share of outputs, 0..1, in which a frame is more similar to a training frame than the threshold; 0 is best.

    output_features: (outputs, N, D), N frames each; training_features: (M, D). Similarity is the cosine; which one
    means a copy depends on the features (above 0.5 of SSCD's, Somepalli et al. 2023).
    Raises OptionError for other shapes or a threshold outside -1..1.
    """
    if output_features.ndim != 3 or 0 in output_features.shape:
        shape = tuple(output_features.shape)
        raise OptionError(f"output features have shape {shape}; give (outputs, N, D) with at least 1 output and frame")
    if not -1 <= threshold <= 1:
        raise OptionError(f"threshold={threshold} is no cosine; set it from -1 to 1")
    similarity = _find_nearest(output_features.flatten(0, 1), training_features).view(output_features.shape[:2])
    return (similarity.amax(1) > threshold).to(similarity).mean()


def appearance_leakage(output_features: Tensor, reference_features: Tensor, control_features: Tensor) -> Tensor:
    """How much more an output looks like the reference than its prompt alone makes it look; 0: not at all.

    S(output) - S(control), where S is the mean over frames of the cosine with the most similar reference frame. The
    control is what the model without the motion makes of the same prompt (and best the same seeds): two prompts
    that share a word with the reference's would otherwise count as a leak. A copy scores 1 - S(control), and an
    output that looks less like the reference than the control scores below 0, so that means over clips are fair.
    Without a control there is no such score: features of text and of frames lie so far apart in CLIP's space that
    taking the prompt's direction out of the frames' features would leave their similarity as it was.
    Ours. output_features: (N, D); reference_features: (M, D); control_features: (K, D), of one image encoder.
    Raises OptionError for other shapes.
    """
    leaked = appearance_likeness(output_features, reference_features)
    return leaked - appearance_likeness(control_features, reference_features)


def appearance_likeness(output_features: Tensor, reference_features: Tensor) -> Tensor:
    """Mean over frames of the cosine with the most similar reference frame, whatever explains it; -1..1.

    output_features: (N, D); reference_features: (M, D), of one image encoder. Raises OptionError for other shapes.
    """
    return _find_nearest(output_features, reference_features).mean()


def _find_nearest(features: Tensor, references: Tensor) -> Tensor:
    """The cosine of each of (N, D) with the most similar of (M, D): (N,)."""
    units, others = to_units(features), to_units(references)
    check_one_length(units, others)
    dtype = torch.promote_types(units.dtype, others.dtype)
    return (units.to(dtype) @ others.to(dtype).T).amax(1)
