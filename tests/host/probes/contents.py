"""What a socket holds, as text."""

import hashlib

import torch

from .probe import ANYTHING, INJECTED, Probe


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
    checksum = hashlib.sha256()
    for tensor in tensors:
        checksum.update(str((tuple(tensor.shape), tensor.dtype)).encode())
        checksum.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return checksum.hexdigest()


class ProbeDigest(Probe):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANYTHING,)}}

    def say(self, value):
        return {"ui": {"text": [digest(_tensors(value))]}}


class ProbeModel(Probe):
    """The weights of a MODEL, what wants gradients, and how many hooks there are; `after` runs before."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}, "optional": {"after": (ANYTHING,)}}

    def say(self, model, after=None):
        module = model.model.diffusion_model
        state = module.state_dict()
        weights = digest(state[name] for name in sorted(state) if INJECTED not in name)
        wanting = sum(p.requires_grad for name, p in module.named_parameters() if INJECTED not in name)
        hooks = sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in module.modules())
        own = sum("forward" in vars(m) for m in module.modules())
        return {"ui": {"text": [f"{weights} {wanting} {hooks} {own}"]}}


class ProbeNumbers(Probe):
    """Shape, mean and deviation of an IMAGE or LATENT."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANYTHING,)}}

    def say(self, value):
        tensor = next(_tensors(value)).float()
        return {"ui": {"text": [f"{tuple(tensor.shape)} {tensor.mean():.5f} {tensor.std():.5f}"]}}


class ProbeLosses(Probe):
    """The losses of a LOSS_MAP, to nine digits."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"losses": ("LOSS_MAP",)}}

    def say(self, losses):
        return {"ui": {"text": [" ".join(f"{loss:.9g}" for loss in losses["loss"])]}}


class ProbeDifference(Probe):
    """The largest difference between two LATENTs."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"first": ("LATENT",), "second": ("LATENT",)}}

    def say(self, first, second):
        return {"ui": {"text": [f"{float((first['samples'] - second['samples']).abs().max()):.3e}"]}}
