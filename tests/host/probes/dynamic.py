"""What the host's dynamic VRAM does to a MODEL, on a machine without a GPU."""

import copy
import logging
from contextlib import suppress

import comfy.model_management
import comfy.model_patcher
import torch

from .models import Changed
from .probe import Probe, of_the_pack

_STREAMED = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Conv3d)


class ProbeDynamic:
    """A MODEL whose weights are not in place while it runs. Its layers take their weights from one buffer that the next
    layer overwrites. cached: every other layer instead keeps what its first forward made, which under inference mode is
    an inference tensor. reloadable: whether its loader makes copies.
    """

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "change"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "cached": ("BOOLEAN", {}), "reloadable": ("BOOLEAN", {})}}

    def change(self, model, cached, reloadable):
        make, given, *place = model.cached_patcher_init  # a loader of one thing names no place

        def load(disable_dynamic=False):
            logging.info("ProbeDynamic loads a copy")
            made = make(*given)
            return made[place[0]] if place else made

        base = _stream(load().model, cached)
        base.dynamic_pins = {model.load_device: {"active": False, "current_prompt": False}}
        dynamic = model.clone(model_override=(base, ({}, {}, {}, set())))
        dynamic.__class__ = _Dynamic
        dynamic.cached_patcher_init = (load, ()) if reloadable else None
        return (dynamic,)


class ProbeReloaded:
    """MODEL, CLIP and VAE as the host loads them again, for its trainer and for another GPU; a copy of its own each."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    FUNCTION = "reload"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "clip": ("CLIP",), "vae": ("VAE",)}}

    def reload(self, model, clip, vae):
        copies = [model.clone(force_deepcopy=True), clip.clone(), copy.copy(vae)]
        copies[1].patcher, copies[2].patcher = (socket.patcher.deepclone_multigpu() for socket in (clip, vae))
        copies[1].cond_stage_model, copies[2].first_stage_model = (each.patcher.model for each in copies[1:])
        olds = model.model, clip.cond_stage_model, vae.first_stage_model
        assert all(new is not old for new, old in zip((copies[0].model, *_modules(copies)), olds, strict=True))
        return tuple(copies)


def _modules(copies):
    return copies[1].cond_stage_model, copies[2].first_stage_model


class ProbeElsewhere(Changed):
    """A MODEL of which the host keeps one layer on another device and brings it over for each use."""

    def change(self, model):
        clone = model.clone(force_deepcopy=True)
        clone.__class__ = _Elsewhere
        return (clone,)


class _Elsewhere(comfy.model_patcher.ModelPatcher):
    @property
    def layer(self):
        return next(layer for layer in self.model.modules() if isinstance(layer, torch.nn.Linear))

    def load(self, *args, **kwargs):
        super().load(*args, **kwargs)
        self.layer.comfy_cast_weights = True
        self.layer.to("meta")

    def unpatch_model(self, device_to=None, unpatch_weights=True):
        if unpatch_weights:
            self.layer.to_empty(device=self.offload_device)
        super().unpatch_model(device_to, unpatch_weights)


class _Dynamic(comfy.model_patcher.ModelPatcher):
    def is_dynamic(self):
        return True

    def loaded_ram_size(self):
        return 0

    def set_in_use_by_current_prompt(self, in_use):
        pass


def _stream(base, cached):
    layers = [layer for layer in base.diffusion_model.modules() if isinstance(layer, _STREAMED)]
    with torch.inference_mode(False):
        buffer = torch.empty(max(_size_of(layer) for layer in layers))
    for number, layer in enumerate(layers):
        layer.forward = _Streamed(layer, None if cached and number % 2 else buffer)
    return base


def _size_of(layer):
    return sum(weight.numel() for weight in layer._parameters.values() if weight is not None)


class _Streamed:
    """A layer's forward on weights that were brought over."""

    def __init__(self, layer, buffer):
        self.layer, self.buffer, self.forward, self.cached = layer, buffer, layer.forward, None

    def __call__(self, *args, **kwargs):
        home = dict(self.layer._parameters)
        self.layer._parameters.update(self._bring())
        try:
            return self.forward(*args, **kwargs)
        finally:
            self.layer._parameters.update(home)

    def _bring(self):
        home = {name: weight for name, weight in self.layer._parameters.items() if weight is not None}
        if self.buffer is None:
            self.cached = self.cached or {name: weight.detach().clone() for name, weight in home.items()}
            return self.cached
        brought, place = {}, 0
        for name, weight in home.items():
            view = self.buffer.data[place : place + weight.numel()].view(weight.shape)  # unseen by autograd's counter
            brought[name] = view.copy_(weight)
            place += weight.numel()
        return brought


class _Seen(Exception):
    """Ends a loading."""


class ProbeOffCpu(Probe):
    """What the pack does where the host computes elsewhere than on a CPU: the dtype in which Load Video Diffusion Model
    loads the starter, and whether weights that were made ordinary there stay so.
    """

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("STRING", {})}}

    def say(self, model):
        node, tensors = of_the_pack("nodes.load_video_model"), of_the_pack("nodes.host.ordinary_tensors")
        loading = of_the_pack("nodes.host.model_loading")
        found, load, get_device = [], loading.load_model, comfy.model_management.get_torch_device
        elsewhere = torch.device("meta")

        def note(folder, device, dtype):
            found.append(str(dtype))
            raise _Seen

        loading.load_model, comfy.model_management.get_torch_device = note, lambda: elsewhere
        try:
            with suppress(_Seen):
                node.LoadVideoDiffusionModel.execute(model, "as stored")
        finally:
            loading.load_model, comfy.model_management.get_torch_device = load, get_device
        with torch.inference_mode():
            layers = [torch.nn.Linear(2, 2, device=device) for device in (elsewhere, "cpu")]
            for layer in layers:
                with tensors.ordinary_weights(layer, layer.weight.device):
                    found.append(layer.weight.is_inference())
                found.append(layer.weight.is_inference())
        return {"ui": {"text": [" ".join(map(str, found))]}}
