"""InversionNoiseMix: where sampling starts, between the reference's noise and random noise."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.diffusion.initial_noise import NOISE_METHODS
from .host.inverted import mix_noise
from .newer_host import if_known


class InversionNoiseMix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InversionNoiseMix",
            display_name="Inversion Noise Mix",
            category="motion inversion",
            description="Mixes the reference's inverted noise with random noise: closer to its motion and appearance.",
            **if_known(search_aliases=["mix noise", "blend noise", "initial noise"]),
            inputs=[
                io.Latent.Input("inverted", tooltip="From Invert Reference Video."),
                io.Combo.Input(
                    "method",
                    options=list(NOISE_METHODS),
                    default="blend",
                    tooltip="blend: beta of the inverted. low_frequency_replace: its coarse layout only. "
                    "inversion: it alone. random: none of it.",
                ),
                io.Float.Input(
                    "beta", default=0.5, min=0.0, max=1.0, step=0.01, tooltip="For blend: 0 random, 1 inverted."
                ),
                io.Int.Input(
                    "factor", default=4, min=1, max=64, tooltip="For low_frequency_replace: higher keeps less."
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=2**63 - 1, control_after_generate=True, tooltip="For the random part."
                ),
            ],
            outputs=[
                io.Noise.Output(tooltip="For Sampler Custom Advanced, which adds it."),
                io.Latent.Output(tooltip="For KSampler (Advanced): add_noise off, ddim_uniform, from step 0."),
            ],
        )

    @classmethod
    def execute(cls, inverted: dict[str, Any], method: str, beta: float, factor: int, seed: int) -> io.NodeOutput:
        return io.NodeOutput(*mix_noise(inverted, method, beta=beta, factor=factor, seed=seed))
