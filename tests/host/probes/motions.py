"""A motion of which a part is left."""

from dataclasses import replace

import torch


class ProbePart:
    """A motion of which only some tensors are left: those whose kind (qk, v) and name match."""

    RETURN_TYPES = ("MOTION_EMBEDDING",)
    FUNCTION = "keep"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"motion": ("MOTION_EMBEDDING",), "part": ("STRING", {})}}

    def keep(self, motion, part):
        def keep(kind, tensors):
            return {name: t if f"{name}.{kind}".endswith(part) else torch.zeros_like(t) for name, t in tensors.items()}

        return (replace(motion, qk=keep("qk", motion.qk), v=keep("v", motion.trained_v)),)


class ProbeNarrow:
    """A motion of which half of the channels are left."""

    RETURN_TYPES = ("MOTION_EMBEDDING",)
    FUNCTION = "cut"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"motion": ("MOTION_EMBEDDING",)}}

    def cut(self, motion):
        return (motion.map(lambda tensor: tensor[..., : tensor.shape[-1] // 2].clone()),)


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
        return (motion.resized(length).map(lambda tensor: tensor[:, first : first + frames].clone()),)


class ProbeHeldFirst:
    """A motion whose first frame comes twice; as a motion of its own, of one frame more."""

    RETURN_TYPES = ("MOTION_EMBEDDING",)
    FUNCTION = "hold"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"motion": ("MOTION_EMBEDDING",)}}

    def hold(self, motion):
        return (motion.map(lambda tensor: torch.cat([tensor[:, :1], tensor], dim=1)),)


class ProbeNarrowText:
    """A CONDITIONING of half the width, as another model's text encoder would make it."""

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "cut"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"positive": ("CONDITIONING",)}}

    def cut(self, positive):
        return ([[text[..., ::2], rest] for text, rest in positive],)
