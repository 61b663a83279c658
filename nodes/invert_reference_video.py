"""InvertReferenceVideo: the noise that leads to the reference."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .host.inverted import make_inverted
from .newer_host import if_known


class InvertReferenceVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InvertReferenceVideo",
            display_name="Invert Reference Video",
            category="motion inversion",
            description="Runs sampling backwards, from the reference to the noise that leads to it (DDIM inversion).",
            **if_known(search_aliases=["ddim inversion", "video to noise"]),
            inputs=[
                io.Model.Input("model", tooltip="The model that will sample, without a motion applied."),
                io.Latent.Input("latent", tooltip="The reference clip through VAE Encode."),
                io.Conditioning.Input(
                    "positive", tooltip="An empty prompt, as published, or what the reference shows."
                ),
                io.Int.Input(
                    "steps",
                    default=25,
                    min=1,
                    max=999,
                    tooltip="As many as the sampler will take, with the scheduler ddim_uniform.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="inverted", tooltip="For Inversion Noise Mix.")],
        )

    @classmethod
    def execute(cls, model: Any, latent: dict[str, Any], positive: Any, steps: int) -> io.NodeOutput:
        return io.NodeOutput(make_inverted(model, latent["samples"], positive, steps))
