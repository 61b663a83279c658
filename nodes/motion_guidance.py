"""MotionGuidance: a MODEL that is guided by a reference while it samples, with nothing trained."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.guidance.dmt import DISTANCES
from ..motion_core.guidance.methods import METHODS, PRESETS, find_method
from ..motion_core.guidance.shared_options import BLOCKS
from ..motion_core.memory.checkpointing import CHECKPOINTING_MODES
from .choice import offer_choice
from .host.guidance import guide
from .newer_host import if_known

OF_PRESET = "preset's"
"""The value of the preset."""
OF_ONE_METHOD = ("optimisation_steps", "distance", "restart_end")
"""Settings that not every method has. They are hidden and ignored for the others."""


class MotionGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MotionGuidance",
            display_name="Motion Guidance",
            category="motion inversion",
            description="Lets what the model makes follow a reference clip with nothing learnt: gradients guide the "
            "first part of sampling. Slower to sample; the model itself stays as it is.",
            **if_known(search_aliases=["motionclone", "dmt", "follow motion", "motion transfer without training"]),
            inputs=[
                io.Model.Input("model", tooltip="The video model that samples."),
                io.Latent.Input(
                    "latent", tooltip="The reference clip through VAE Encode, of the new clip's frames and size."
                ),
                io.Conditioning.Input(
                    "positive", tooltip="For motion_clone an empty prompt; for dmt what the reference shows."
                ),
                offer_choice(
                    "method",
                    {name: [own for own in OF_ONE_METHOD if own not in METHODS[name].settings] for name in METHODS},
                    default="motion_clone",
                    tooltip="motion_clone: by temporal attention; fast. dmt: by the means of features; slow, follows "
                    "the layout too, and starts best from Inversion Noise Mix with low_frequency_replace.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    default="published",
                    tooltip="published: the authors' numbers, for 50 steps (dmt) or 100 and more. starter: for the "
                    "starter model in 16.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.05,
                    tooltip="Of each step's guidance: 1 as the preset has it, 0 off.",
                ),
                io.Float.Input(
                    "start",
                    default=-1.0,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Guided from this part of the sampler's steps; below 0: the preset's.",
                ),
                io.Float.Input(
                    "end",
                    default=-1.0,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Guided up to this part of the sampler's steps; below 0: the preset's.",
                ),
                io.Combo.Input(
                    "block",
                    options=[OF_PRESET, *BLOCKS],
                    default=OF_PRESET,
                    tooltip="The part of the model that is compared: 0 coarse, 3 fine.",
                ),
                io.Combo.Input(
                    "memory",
                    options=[OF_PRESET, *CHECKPOINTING_MODES],
                    default=OF_PRESET,
                    tooltip="fast keeps everything, balanced recomputes norms and the high-resolution level, low "
                    "everything. The result is the same.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=False,
                    tooltip="Of the noise that motion_clone adds to the reference, and of dmt's restarts.",
                ),
                io.Int.Input(
                    "optimisation_steps",
                    default=0,
                    min=0,
                    max=1000,
                    optional=True,
                    tooltip="For dmt: at each guided step; 0: the preset's.",
                ),
                io.Combo.Input(
                    "distance",
                    options=[OF_PRESET, *DISTANCES],
                    default=OF_PRESET,
                    optional=True,
                    tooltip="For dmt: l2 is the paper's, cosine the published code's.",
                ),
                io.Float.Input(
                    "restart_end",
                    default=-1.0,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="For dmt: up to this part each step is taken again from fresh noise; 0 never; below 0: "
                    "the preset's.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="For KSampler, with euler or ddim.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        latent: dict[str, Any],
        positive: Any,
        method: str,
        preset: str,
        strength: float,
        start: float,
        end: float,
        block: str,
        memory: str,
        seed: int,
        optimisation_steps: int = 0,
        distance: str = OF_PRESET,
        restart_end: float = -1.0,
    ) -> io.NodeOutput:
        chosen = {"block": block, "memory": memory, "distance": distance}
        parts = {"start": start, "end": end, "restart_end": restart_end}
        given = {
            **{name: None if value == OF_PRESET else value for name, value in chosen.items()},
            **{name: None if value < 0 else value for name, value in parts.items()},
        }
        given |= {"seed": seed, "optimisation_steps": optimisation_steps or None}
        found = find_method(method, preset)
        config = found.configure(strength, **{name: given[name] for name in given if name in found.settings})
        return io.NodeOutput(guide(model, latent["samples"], positive, config))
