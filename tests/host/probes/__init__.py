"""Nodes for the tests only: what a socket holds, said as text."""

import hashlib
import json
import sys
import tempfile
import time
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


class _Anything(str):
    def __ne__(self, other):
        return False


ANYTHING = _Anything("*")
INJECTED = "temporal_transformer"
"""In the names of what AnimateDiff-Evolved puts into a UNet while it samples, and takes out some time later."""


def _tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from _tensors(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, "parameters") and not callable(value.parameters):
        yield from value.parameters  # a motion embedding


def digest(tensors) -> str:
    said = hashlib.sha256()
    for tensor in tensors:
        said.update(str((tuple(tensor.shape), tensor.dtype)).encode())
        said.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return said.hexdigest()


class _Probe:
    RETURN_TYPES = ()
    FUNCTION = "say"
    OUTPUT_NODE = True
    CATEGORY = "tests"

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")


class ProbeDigest(_Probe):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANYTHING,)}}

    def say(self, value):
        return {"ui": {"text": [digest(_tensors(value))]}}


class ProbeModel(_Probe):
    """The weights of a MODEL, what wants gradients, and how many hooks there are; `after` runs before."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}, "optional": {"after": (ANYTHING,)}}

    def say(self, model, after=None):
        module = model.model.diffusion_model
        own_names = [name for name in sorted(module.state_dict()) if INJECTED not in name]
        weights = digest(module.state_dict()[name] for name in own_names)
        wanting = sum(p.requires_grad for name, p in module.named_parameters() if INJECTED not in name)
        hooks = sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in module.modules())
        own = sum("forward" in vars(m) for m in module.modules())
        return {"ui": {"text": [f"{weights} {wanting} {hooks} {own}"]}}


class ProbeNumbers(_Probe):
    """Shape, mean and deviation of an IMAGE or LATENT."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANYTHING,)}}

    def say(self, value):
        tensor = next(_tensors(value)).float()
        return {"ui": {"text": [f"{tuple(tensor.shape)} {tensor.mean():.5f} {tensor.std():.5f}"]}}


class ProbeCancelAt:
    """Hands a MODEL on, anew each time; the step-th progress update after it cancels, as the button does (0: none)."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "arm"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "step": ("INT", {"default": 1})}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def arm(self, model, step):
        real = comfy.utils.PROGRESS_BAR_HOOK
        seen = []

        def hook(*args, **kwargs):
            seen.append(args)
            if len(seen) == step:
                comfy.utils.set_progress_bar_global_hook(real)
                comfy.model_management.interrupt_current_processing()
            return real(*args, **kwargs)

        if step:
            comfy.utils.set_progress_bar_global_hook(hook)
        return (model,)


class ProbeForward(_Probe):
    """How far the MODEL's noise prediction is from the UNet's own, over a few noise levels."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "positive": ("CONDITIONING",)}}

    def say(self, model, positive):
        comfy.model_management.load_models_gpu([model])
        base = model.model
        unet = base.diffusion_model.unet
        text = positive[0][0]
        worst = 0.0
        generator = torch.Generator().manual_seed(0)
        for t in (999, 700, 300, 20):
            sigma = base.model_sampling.sigmas[t]
            x = torch.randn(16, 4, 8, 8, generator=generator) * (1 + sigma**2) ** 0.5
            x0 = base.apply_model(x, sigma.expand(16), c_crossattn=text.expand(16, -1, -1))
            scaled = x / (1 + sigma**2) ** 0.5
            clip = scaled.transpose(0, 1)[None]
            eps = unet(clip, torch.tensor([t]), encoder_hidden_states=text).sample[0].transpose(0, 1)
            worst = max(worst, float((x - sigma * eps - x0).abs().max() / sigma))
        return {"ui": {"text": [f"{worst:.3e}"]}}


class ProbeDifference(_Probe):
    """The largest difference between two LATENTs."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"first": ("LATENT",), "second": ("LATENT",)}}

    def say(self, first, second):
        return {"ui": {"text": [f"{float((first['samples'] - second['samples']).abs().max()):.3e}"]}}


class _Changed:
    """Hands on a clone of a MODEL that is changed in some way."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "change"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}


class ProbeLittleMemory(_Changed):
    """The halves of guidance run apart, as on a card that has no room for both."""

    def change(self, model):
        clone = model.clone()
        clone.add_object_patch("memory_required", lambda *args, **kwargs: 1e18)
        return (clone,)


class ProbeOffload(_Changed):
    """Most weights stay where they are kept and are brought over for each use, as on a card that is too small."""

    def change(self, model):
        class Offloaded(type(model)):
            def load(self, device_to=None, lowvram_model_memory=0, force_patch_weights=False, full_load=False):
                super().load(device_to, 100_000, force_patch_weights, full_load=False)

        clone = model.clone()
        clone.__class__ = Offloaded
        return (clone,)


class ProbeNoMemory(_Changed):
    """The third forward finds no memory."""

    def change(self, model):
        clone, calls = model.clone(), []

        def wrapper(executor, *args, **kwargs):
            calls.append(1)
            if len(calls) == 3:
                raise comfy.model_management.OOM_EXCEPTION("no memory left")
            return executor(*args, **kwargs)

        clone.add_wrapper(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, wrapper)
        return (clone,)


class ProbePart:
    """A motion of which only some tensors are left: those whose kind (qk, v) and name match."""

    RETURN_TYPES = ("MOTION_EMBEDDING",)
    FUNCTION = "keep"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"motion": ("MOTION_EMBEDDING",), "part": ("STRING", {})}}

    def keep(self, motion, part):
        def on(kind):
            return lambda name, t: t if f"{name}.{kind}".endswith(part) else torch.zeros_like(t)

        return (motion.map(on("qk"), on("v")),)


class ProbeNarrow:
    """A motion of which half of the channels are left."""

    RETURN_TYPES = ("MOTION_EMBEDDING",)
    FUNCTION = "cut"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"motion": ("MOTION_EMBEDDING",)}}

    def cut(self, motion):
        def part(_, tensor):
            return tensor[..., : tensor.shape[-1] // 2].clone()

        return (motion.map(part, part),)


class ProbeStretched:
    """Some frames, from `first` on, of a motion that was stretched over a longer clip; as a motion of its own."""

    RETURN_TYPES = ("MOTION_EMBEDDING",)
    FUNCTION = "cut"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        numbers = {name: ("INT", {}) for name in ("length", "first", "frames")}
        return {"required": {"motion": ("MOTION_EMBEDDING",), **numbers}}

    def cut(self, motion, length, first, frames):
        def part(_, tensor):
            return tensor[:, first : first + frames].clone()

        return (motion.resized(length).map(part, part),)


class ProbeLoss(_Probe):
    """The error of the noise prediction at one noise level, under one noise, in the host's own sampling."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "latent": ("LATENT",), "positive": ("CONDITIONING",)}}

    def say(self, model, latent, positive):
        samples = latent["samples"]
        noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(5))
        found = []

        class Once(comfy.samplers.Sampler):
            def sample(self, wrap, sigmas, extra_args, callback, noise_, latent_image=None, *rest, **more):
                sigma = wrap.inner_model.model_sampling.sigmas[500]
                x0 = wrap(latent_image + noise * sigma, sigma.expand(len(noise)), **extra_args)
                found.append(float(((latent_image + noise * sigma - x0) / sigma - noise).square().mean()))
                return latent_image

        guider = comfy.samplers.CFGGuider(model)
        guider.inner_set_conds({"positive": positive})
        guider.set_cfg(1.0)
        guider.sample(torch.zeros_like(samples), samples, Once(), torch.tensor([1.0, 0.0]), disable_pbar=True)
        return {"ui": {"text": [f"{found[0]:.6f}"]}}


class ProbeCost(_Probe):
    """Processor seconds of a few forwards with guidance, plain and patched in turn: one line a round."""

    @classmethod
    def INPUT_TYPES(cls):
        numbers = {name: ("INT", {}) for name in ("frames", "side", "forwards", "rounds")}
        return {"required": {"plain": ("MODEL",), "patched": ("MODEL",), "positive": ("CONDITIONING",), **numbers}}

    def say(self, plain, patched, positive, frames, side, forwards, rounds):
        latent = torch.zeros(frames, 4, side, side)
        seconds = []

        class Timed(comfy.samplers.Sampler):
            def sample(self, wrap, sigmas, extra_args, callback, noise, latent_image=None, *rest, **more):
                x = noise * sigmas[0]
                for _ in range(forwards):
                    wrap(x, sigmas[:1].expand(frames), **extra_args)
                return latent_image

        def measure(model):
            guider = comfy.samplers.CFGGuider(model)
            guider.set_conds(positive, positive)
            guider.set_cfg(7.5)
            start = time.process_time()
            guider.sample(torch.ones_like(latent), latent, Timed(), torch.tensor([5.0, 0.0]), disable_pbar=True, seed=0)
            return time.process_time() - start

        measure(plain), measure(patched)  # loading and warming up
        for number in range(rounds):
            pair = {which: measure(model) for which, model in _turned({"plain": plain, "patched": patched}, number)}
            seconds.append(f"{pair['plain']:.4f} {pair['patched']:.4f}")
        return {"ui": {"text": ["\n".join(seconds)]}}


def _turned(items, number):
    """Every other time in the other order, so that neither always goes first."""
    return list(items.items())[:: -1 if number % 2 else 1]


class ProbeByHeart(_Probe):
    """The error at one noise level under one noise, before and after eight steps on just that."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "latent": ("LATENT",), "positive": ("CONDITIONING",)}}

    def say(self, model, latent, positive):
        core, running = _of_the_pack("motion_core.learning"), _of_the_pack("nodes.host.running")
        losses = []

        def work(denoiser, clip):
            with torch.inference_mode(False), running.thawed(denoiser.base), core.frozen(denoiser.module):
                x0, text, t = clip.clone(), torch.zeros(1, 1, 1), torch.tensor([500])
                noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(5))
                sites = core.find_sites(denoiser.module)
                grids = core.measure_grids(denoiser, sites, x0, text)
                embedding = core.MotionEmbedding.zeros("animatediff", sites, grids, x0.shape[2])
                optimiser = torch.optim.Adam([p.requires_grad_() for p in embedding.parameters], lr=0.1)
                with core.inject(denoiser.module, embedding), torch.enable_grad():
                    for _ in range(9):
                        z = denoiser.schedule.add_noise(x0, noise, t)
                        loss = (denoiser.predict(z, t, text) - noise).square().mean()
                        optimiser.zero_grad()
                        loss.backward()
                        optimiser.step()
                        losses.append(loss.item())
            return clip

        with torch.inference_mode(False):
            running.run_in_host(model, [_thawed(positive)], latent["samples"].clone(), work, learning=True)
        return {"ui": {"text": [f"{losses[0]:.6f} {losses[-1]:.6f}"]}}


def _of_the_pack(name):
    return next(module for key, module in sys.modules.items() if key.endswith(f"motion-inversion.{name}"))


def _thawed(conditioning):
    return [[tensor.clone(), dict(extra)] for tensor, extra in conditioning]


class ProbeStillModel(_Changed):
    """A MODEL of another kind: it makes pictures and has no temporal attention."""

    def change(self, model):
        config = comfy.supported_models_base.BASE({"disable_unet_model_creation": True, "dtype": torch.float32})
        config.latent_format, config.unet_extra_config = comfy.latent_formats.SD15(), {}
        base = comfy.model_base.BaseModel(config)
        base.diffusion_model = torch.nn.Conv2d(4, 4, 1)
        base.diffusion_model.dtype = torch.float32
        return (comfy.model_patcher.ModelPatcher(base, model.load_device, model.offload_device),)


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
            Path(folder, "config.json").write_text(json.dumps(config))
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


PROBES = (
    ProbeDigest, ProbeModel, ProbeNumbers, ProbeCancelAt, ProbeForward, ProbeDifference, ProbeLittleMemory,
    ProbeOffload, ProbeNoMemory, ProbePart, ProbeNarrow, ProbeStretched, ProbeLoss, ProbeCost, ProbeByHeart,
    ProbeStillModel, ProbePictureHalf, ProbeTextHalf,
)  # fmt: skip
NODE_CLASS_MAPPINGS = {probe.__name__: probe for probe in PROBES}
