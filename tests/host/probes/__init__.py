"""Nodes for the tests only: they look at, change and measure what goes through a graph."""

from .clip_halves import ProbePictureHalf, ProbeTextHalf
from .contents import ProbeDifference, ProbeDigest, ProbeLosses, ProbeModel, ProbeNumbers
from .dynamic import ProbeDynamic, ProbeElsewhere, ProbeOffCpu, ProbeReloaded
from .faults import ProbeFullDisk, ProbeNoMemoryAt
from .forwards import ProbeByHeart, ProbeCost, ProbeExact, ProbeForward, ProbeLoss
from .guidance import ProbeCompared, ProbeCoreGuidance, ProbeGuidanceLoss
from .models import (
    ProbeCancelAt,
    ProbeCompiled,
    ProbeLittleMemory,
    ProbeNoBackward,
    ProbeNoMemory,
    ProbeOffload,
    ProbeSkippedBlocks,
    ProbeStillModel,
    ProbeWords,
)
from .motions import ProbeHeldFirst, ProbeNarrow, ProbeNarrowText, ProbePart, ProbeStretched

PROBES = (
    ProbeDigest,
    ProbeModel,
    ProbeNumbers,
    ProbeDifference,
    ProbeLosses,
    ProbeCancelAt,
    ProbeCompiled,
    ProbeDynamic,
    ProbeElsewhere,
    ProbeOffCpu,
    ProbeReloaded,
    ProbeNoBackward,
    ProbeLittleMemory,
    ProbeOffload,
    ProbeNoMemory,
    ProbeNoMemoryAt,
    ProbeFullDisk,
    ProbeStillModel,
    ProbeWords,
    ProbeCompared,
    ProbeSkippedBlocks,
    ProbePart,
    ProbeNarrow,
    ProbeNarrowText,
    ProbeStretched,
    ProbeHeldFirst,
    ProbeForward,
    ProbeExact,
    ProbeLoss,
    ProbeCost,
    ProbeByHeart,
    ProbeGuidanceLoss,
    ProbeCoreGuidance,
    ProbePictureHalf,
    ProbeTextHalf,
)
NODE_CLASS_MAPPINGS = {probe.__name__: probe for probe in PROBES}
