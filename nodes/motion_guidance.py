"""MotionGuidance: a MODEL that is guided towards a reference while it samples, with nothing learnt."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.guidance.dit_flow import DitFlowConfig
from ..motion_core.guidance.dmt import DmtConfig
from ..motion_core.guidance.methods import METHODS, PRESETS, find_method
from ..motion_core.guidance.motion_clone import MotionCloneConfig
from ..motion_core.options import list_options
from .choice import offer_choice
from .host.guided_sampling import guide
from .newer_host import advanced, if_known
from .option_inputs import SEED, preset_input, read_options

_OPTIONS = {
    field.name: (field, known)
    for config in (DitFlowConfig, MotionCloneConfig, DmtConfig)
    for field, known in list_options(config)
}
_OF_SOME_METHODS = ("optimisation_steps", "distance", "restart_end", "depth", "temperature")
"""Later inputs that not every method has. They are hidden under the others, and then ignored, as `block` is."""


class MotionGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MotionGuidance",
            display_name="Motion Guidance",
            category="motion inversion",
            description="Lets what the model makes follow a reference clip with nothing learnt: gradients guide the "
            "first part of sampling. Slower to sample; the model itself stays as it is.",
            **if_known(
                search_aliases=["motionclone", "dmt", "follow motion", "ditflow", "motion transfer without training"]
            ),
            inputs=[
                io.Model.Input("model", tooltip="The video model that samples."),
                io.Latent.Input(
                    "latent", tooltip="The reference clip through VAE Encode, of the new clip's frames and size."
                ),
                io.Conditioning.Input(
                    "positive",
                    tooltip="For motion_clone and dit_flow an empty prompt; for dmt what the reference shows.",
                ),
                offer_choice(
                    "method",
                    {
                        name: [own for own in ("block", *_OF_SOME_METHODS) if own not in method.settings]
                        for name, method in METHODS.items()
                    },
                    default="motion_clone",
                    tooltip="motion_clone: by temporal attention; fast. dmt: by the means of features; slow, follows "
                    "the layout too, and starts best from Inversion Noise Mix with low_frequency_replace. dit_flow: "
                    "for Wan, by where attention moves.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    default="published",
                    tooltip="published: the authors' numbers, for 50 steps (dmt, dit_flow) or 100 and more "
                    "(motion_clone). starter: for the starter models in 16.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.05,
                    tooltip="How strongly each step guides: 1 as the preset has it, 0 off.",
                ),
                preset_input(*_OPTIONS["start"]),
                preset_input(*_OPTIONS["end"]),
                advanced(preset_input(*_OPTIONS["block"])),
                advanced(preset_input(*_OPTIONS["memory"])),
                io.Int.Input(
                    "seed",
                    default=0,
                    **SEED,
                    tooltip="Of the noise that motion_clone adds to the reference, and of dmt's restarts.",
                ),
                *(advanced(preset_input(*_OPTIONS[name], optional=True)) for name in _OF_SOME_METHODS),
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
        seed: int,
        **options: Any,
    ) -> io.NodeOutput:
        found = find_method(method, preset)
        chosen = read_options(_OPTIONS, {name: value for name, value in options.items() if name in found.settings})
        return io.NodeOutput(guide(model, latent["samples"], positive, found.configure(strength, seed=seed, **chosen)))
