"""LoadVideoDiffusionModel: a diffusers text-to-video folder as MODEL, CLIP and VAE."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..motion_core.errors import OptionError
from .host.folders import explain_missing, find_model, list_models
from .host.model_loading import load_sockets
from .newer_host import if_known

DTYPES = {"as stored": None, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class LoadVideoDiffusionModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadVideoDiffusionModel",
            display_name="Load Video Diffusion Model",
            category="motion inversion",
            description="Loads ZeroScope or ModelScope from a diffusers folder, or one of the small starter models.",
            **if_known(search_aliases=["zeroscope", "modelscope", "text to video", "starter model", "wan starter"]),
            inputs=[
                io.Combo.Input(
                    "model",
                    options=list_models(),
                    tooltip="A folder in models/diffusers with unet, vae, text_encoder, tokenizer and scheduler in it, "
                    "or a starter model. The real Wan is loaded by the host's own nodes.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(DTYPES),
                    default="as stored",
                    tooltip="as stored is right nearly always; on a CPU the weights are widened to fp32.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    tooltip="For KSampler, Train and Apply Motion Embedding; frames are the batch, except Wan's."
                ),
                io.Clip.Output(tooltip="For CLIP Text Encode."),
                io.Vae.Output(tooltip="For VAE Encode and VAE Decode."),
            ],
        )

    @classmethod
    def validate_inputs(cls, model: str) -> bool | str:
        return explain_missing(find_model, model)

    @classmethod
    def execute(cls, model: str, dtype: str) -> io.NodeOutput:
        if dtype not in DTYPES:
            raise OptionError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        return io.NodeOutput(*load_sockets(find_model(model), DTYPES[dtype]))
