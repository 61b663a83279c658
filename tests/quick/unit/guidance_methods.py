"""Guidance without training, as its tests build it and sample with it."""

from motion_core.guidance.dmt import Dmt, DmtConfig
from motion_core.guidance.motion_clone import MotionClone, MotionCloneConfig
from motion_core.sampling.inversion import trace_inversion
from motion_core.sampling.sample import sample

STEPS, T = 4, 751
STRONG = {"dmt": {}, "motion_clone": {"weight": 1e5}}


def build(method, denoiser, latents, text, **settings):
    if method == "dmt":
        reference = trace_inversion(denoiser, latents, text[0], denoiser.schedule.levels(STEPS))
        return Dmt(denoiser, reference, text[0], DmtConfig(**{"optimisation_steps": 1, **settings}))
    return MotionClone.of(denoiser, latents, text[0], MotionCloneConfig(**settings))


def run(denoiser, noise, text, negative, guidance=None, **more):
    return sample(denoiser, noise, text, negative[0], steps=STEPS, scale=3.0, guidance=guidance, **more)
