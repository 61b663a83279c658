"""Faults that strike in the middle of a run: memory that runs out, a disk that is full."""

import errno

import comfy.model_management
import comfy.patcher_extension

from .probe import ANYTHING, of_the_pack


class _Anew:
    FUNCTION = "arm"
    CATEGORY = "tests"

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")


class ProbeNoMemoryAt(_Anew):
    """Hands a MODEL on; from its number-th forward on, or in the backward of that, there is no memory (0: none)."""

    RETURN_TYPES = ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "place": ("STRING", {}), "number": ("INT", {})}}

    def arm(self, model, place, number):
        clone, calls = model.clone(), []

        def fail(*_):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

        def wrapper(executor, *args, **kwargs):
            calls.append(1)
            if len(calls) >= number and place == "forward":
                raise comfy.model_management.OOM_EXCEPTION("no memory left")
            output = executor(*args, **kwargs)
            if len(calls) >= number and output.requires_grad:
                output.register_hook(fail)
            return output

        if number:
            clone.add_wrapper(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, wrapper)
        return (clone,)


class ProbeFullDisk(_Anew):
    """Hands anything on; there is room for half of each of the next files that the pack writes. times: how many."""

    RETURN_TYPES = (ANYTHING,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANYTHING,), "times": ("INT", {})}}

    def arm(self, value, times):
        writing = of_the_pack("motion_core.atomic_write")
        real, failed = writing._flush, []

        def flush_half(path):
            failed.append(path)
            if len(failed) == times:
                writing._flush = real
            with open(path, "rb+") as file:
                file.truncate(path.stat().st_size // 2)
            raise OSError(errno.ENOSPC, "No space left on device")

        if times:
            writing._flush = flush_half
        return (value,)
