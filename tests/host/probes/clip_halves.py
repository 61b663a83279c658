"""The two halves of a small CLIP of random weights."""

import json
import tempfile
from pathlib import Path

import comfy.clip_vision
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.samplers
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import comfy.utils
import torch


class ProbePictureHalf:
    """A tiny CLIP's half for pictures, of random weights."""

    RETURN_TYPES = ("CLIP_VISION",)
    FUNCTION = "build"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"width": ("INT", {})}}

    def build(self, width):
        config = {**TINY_CLIP, "num_channels": 3, "patch_size": 8, "image_size": 32, "projection_dim": width,
                  "model_type": "clip_vision_model"}  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
            vision = comfy.clip_vision.ClipVisionModel(Path(folder, "config.json"))
        vision.load_sd(_draw(vision.get_sd()))
        return (vision,)


class ProbeTextHalf:
    """A tiny CLIP's half for text, 32 wide; its projection is the identity times `projection`."""

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "build"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"projection": ("FLOAT", {})}}

    def build(self, projection):
        target = comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel)
        config = {**TINY_CLIP, "max_position_embeddings": 77, "eos_token_id": 49407}
        clip = comfy.sd.CLIP(target, model_options={"clip_l_model_config": config, "dtype": torch.float32})
        weights = _draw(clip.cond_stage_model.state_dict())
        weights["clip_l.transformer.text_projection.weight"] = torch.eye(TINY_CLIP["hidden_size"]) * projection
        clip.load_sd(weights, full_model=True)
        return (clip,)


TINY_CLIP = {
    "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "hidden_act": "gelu",
}  # fmt: skip


def _draw(weights):
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(tensor.shape, generator=generator) * 0.1 for name, tensor in weights.items()}
