"""A MODEL that is changed in some way."""

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


class Changed:
    """Hands on a clone of a MODEL that is changed in some way."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "change"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}


class ProbeCancelAt:
    """Hands a MODEL on, anew each time; the step-th progress update after it cancels, as the button does (0: none).
    Updates count that the host does not send on, since others came just before.
    """

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
        real = comfy.utils.ProgressBar.update_absolute
        seen = []

        def update(bar, *args, **kwargs):
            seen.append(args)
            if len(seen) == step:
                comfy.utils.ProgressBar.update_absolute = real
                comfy.model_management.interrupt_current_processing()
            return real(bar, *args, **kwargs)

        if step:
            comfy.utils.ProgressBar.update_absolute = update
        return (model,)


class ProbeLittleMemory(Changed):
    """The halves of guidance run apart, as on a card that has no room for both."""

    def change(self, model):
        clone = model.clone()
        clone.add_object_patch("memory_required", lambda *args, **kwargs: 1e18)
        return (clone,)


class ProbeCompiled(Changed):
    """What the host's TorchCompileModel makes of a MODEL, traced but run by torch's usual kernels."""

    def change(self, model):
        from comfy_api.torch_helpers import set_torch_compile_wrapper

        clone = model.clone()
        options = {"guard_filter_fn": lambda guards: ["transformer_options" not in guard.name for guard in guards]}
        set_torch_compile_wrapper(model=clone, backend="eager", options=options)
        return (clone,)


class ProbeNoBackward(Changed):
    """A node's attention that no gradient passes, as SageAttention's."""

    def change(self, model):
        def attend(function, *args, **kwargs):
            with torch.no_grad():
                return function(*args, **kwargs)

        clone = model.clone()
        clone.model_options["transformer_options"]["optimized_attention_override"] = attend
        return (clone,)


class ProbeOffload(Changed):
    """Most weights stay where they are kept and are brought over for each use, as on a card that is too small."""

    def change(self, model):
        class Offloaded(type(model)):
            def load(self, device_to=None, lowvram_model_memory=0, force_patch_weights=False, full_load=False):
                super().load(device_to, 100_000, force_patch_weights, full_load=False)

        clone = model.clone()
        clone.__class__ = Offloaded
        return (clone,)


class ProbeNoMemory(Changed):
    """From the third forward on there is no memory."""

    def change(self, model):
        clone, calls = model.clone(), []

        def wrapper(executor, *args, **kwargs):
            calls.append(1)
            if len(calls) >= 3:
                raise comfy.model_management.OOM_EXCEPTION("no memory left")
            return executor(*args, **kwargs)

        clone.add_wrapper(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, wrapper)
        return (clone,)


class ProbeSkippedBlocks(Changed):
    """A MODEL whose blocks hand on what they get, as a cache of blocks lets them."""

    def change(self, model):
        clone = model.clone()
        for number in range(len(model.model.diffusion_model.blocks)):
            clone.set_model_patch_replace(lambda args, _original: {"img": args["img"]}, "dit", "double_block", number)
        return (clone,)


class ProbeWords:
    """A conditioning all of whose words count, as LTX's own text encoder says."""

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "mark"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"conditioning": ("CONDITIONING",)}}

    def mark(self, conditioning):
        return ([[words, {**more, "attention_mask": torch.ones(words.shape[:2])}] for words, more in conditioning],)


class ProbeStillModel(Changed):
    """A MODEL of another kind: it makes pictures and has no temporal attention."""

    def change(self, model):
        config = comfy.supported_models_base.BASE({"disable_unet_model_creation": True, "dtype": torch.float32})
        config.latent_format, config.unet_extra_config = comfy.latent_formats.SD15(), {}
        base = comfy.model_base.BaseModel(config)
        base.diffusion_model = torch.nn.Conv2d(4, 4, 1)
        base.diffusion_model.dtype = torch.float32
        return (comfy.model_patcher.ModelPatcher(base, model.load_device, model.offload_device),)
