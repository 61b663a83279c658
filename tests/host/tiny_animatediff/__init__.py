"""For the tests only: one more, tiny, entry in the host's list of models and in AnimateDiff-Evolved's list of channels,
and files of random weights for them, so that the real loaders, samplers and injection run without a download.
"""

import sys
from pathlib import Path

import comfy.ldm.modules.diffusionmodules.openaimodel as openaimodel
import comfy.ops
import comfy.sd
import comfy.supported_models
import folder_paths
import safetensors.torch
import torch
from server import PromptServer

SMALLER = 10
"""SD 1.5 has 320 channels, this has 32."""
CONTEXT = 96
"""As the starter model's text encoder has, so that it can stand in for the one of SD 1.5."""
SHIPPED_CHECKPOINT = "v1-5-pruned-emaonly-fp16"
SHIPPED_MODULE = "mm_sd15_v3"
"""What the shared graph asks for; tiny files of these names stand in."""
MOTION_MODULES = {"tiny_v1": (24, False), "tiny_v2": (32, True), "tiny_v3": (32, False), SHIPPED_MODULE: (32, False)}
"""Name -> (length of the positional encoding, whether there is a mid block), which is how versions are told apart."""
UNET = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [2] * 4,
    "channel_mult": [1, 2, 4, 4], "transformer_depth": [1] * 6 + [0] * 2, "transformer_depth_middle": 1,
    "transformer_depth_output": [1] * 9 + [0] * 3, "context_dim": CONTEXT, "num_heads": 8,
    "use_spatial_transformer": True, "legacy": False, "adm_in_channels": None, "use_linear_in_transformer": False,
    "use_checkpoint": False,
}  # fmt: skip


class TinySD15(comfy.supported_models.SD15):
    unet_config = {**comfy.supported_models.SD15.unet_config, "model_channels": 32, "context_dim": CONTEXT}


def draw_weights(module, seed):
    """Random weights under which signals keep their size; nothing is zero at first, as it is in a trained model."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, tensor in module.state_dict().items():
        if "pos_encoder" in name:
            drawn[name] = tensor
        elif tensor.ndim == 1:
            norm = name.endswith("weight")
            drawn[name] = torch.ones_like(tensor) if norm else torch.zeros_like(tensor)
        else:
            drawn[name] = torch.randn(tensor.shape, generator=generator) * tensor[0].numel() ** -0.5
    return drawn


def write(kind, name, weights):
    folder = Path(folder_paths.models_dir, kind)  # the test's own: the first of a kind may be AnimateDiff-Evolved's
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({k: v.contiguous() for k, v in weights.items()}, folder / f"{name}.safetensors")


def write_unet():
    unet = openaimodel.UNetModel(**UNET, device="cpu", operations=comfy.ops.disable_weight_init)
    weights = draw_weights(unet, 0)
    write("diffusion_models", "tiny_sd15", weights)
    write("checkpoints", SHIPPED_CHECKPOINT, {f"model.diffusion_model.{name}": w for name, w in weights.items()})
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    write("loras", "tiny_lora", draw_pair(f"{layer}.lora_down.weight", f"{layer}.lora_up.weight", seed=8))


def write_motion_lora():
    layer = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0"
    names = (f"{layer}.processor.to_v_lora.{side}.weight" for side in ("down", "up"))
    write("animatediff_motion_lora", "tiny_motion_lora", draw_pair(*names, seed=9))


def draw_pair(down, up, seed):
    """A low-rank change of one layer, large enough to be seen."""
    generator = torch.Generator().manual_seed(seed)
    return {down: torch.randn(2, 32, generator=generator), up: torch.randn(32, 2, generator=generator)}


def prepare(body):
    """Before a graph is validated: AnimateDiff-Evolved is loaded by then."""
    found = [m for name, m in sys.modules.items() if name.endswith("animatediff.motion_module_ad")]
    if not found or hasattr(found[0], "TINY"):
        return body
    animatediff = found[0]
    animatediff.TINY = True
    write_motion_lora()
    whole = animatediff.MotionModule

    class TinyMotionModule(whole):
        def __init__(self, in_channels, *args, **kwargs):
            super().__init__(in_channels // SMALLER, *args, **kwargs)

    animatediff.MotionModule = TinyMotionModule
    for seed, (name, (length, mid)) in enumerate(MOTION_MODULES.items(), 1):
        tail = "motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.1.pos_encoder.pe"
        shape = torch.zeros(1, length, 32)
        hints = {
            f"{block}.{tail}": shape for block in ("down_blocks.3", "up_blocks.3", *(["mid_block"] if mid else []))
        }
        info = animatediff.AnimateDiffInfo("SD1.5", "AnimateDiff", "v3", name)
        write("animatediff_models", name, draw_weights(animatediff.AnimateDiffModel(hints, info), seed))
    return body


class ProbeText:
    """CONDITIONING of the tiny model, made from the words alone."""

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "encode"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}}

    def encode(self, text):
        generator = torch.Generator().manual_seed(sum(text.encode()))
        return ([[torch.randn(1, 77, CONTEXT, generator=generator), {}]],)


class ProbeClip:
    """A LATENT of frames that move: what an autoencoder would make of a clip."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "draw"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"frames": ("INT", {"default": 16}), "side": ("INT", {"default": 8})}}

    def draw(self, frames, side):
        still = torch.randn(4, side, side, generator=torch.Generator().manual_seed(7))
        return ({"samples": torch.stack([still.roll(n, -1) for n in range(frames)])},)


class ProbeHalfUNet:
    """The tiny UNet with its weights kept in half precision."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "load"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def load(self):
        path = folder_paths.get_full_path_or_raise("diffusion_models", "tiny_sd15.safetensors")
        return (comfy.sd.load_diffusion_model(path, model_options={"dtype": torch.float16}),)


comfy.supported_models.models.insert(0, TinySD15)
write_unet()
PromptServer.instance.add_on_prompt_handler(prepare)
NODE_CLASS_MAPPINGS = {"ProbeText": ProbeText, "ProbeClip": ProbeClip, "ProbeHalfUNet": ProbeHalfUNet}
