"""One forward of a MODEL on exactly the core's numbers.

The host scales what its samplers give it and computes x0 from the model's output. Both round, so that the core's loop
on a MODEL would give other bytes than on the same model without a host.
"""

from __future__ import annotations

from typing import Any

from comfy.model_sampling import EPS, V_PREDICTION
from comfy.patcher_extension import WrappersMP
from torch import Tensor

_KEY = "motion inversion's exact forward"


class ExactForward:
    """A wrapper around the diffusion model, for one call of the host's sampling function.

    It hands z (N, C, h, w) to the diffusion model in place of the host's rescaled x, and records the output.
    """

    def __init__(self, z: Tensor):
        self.z = z
        self.outputs: list[Tensor | None] = []

    @property
    def output(self) -> Tensor | None:
        """The model's output (N, C, h, w). None unless one forward over the whole clip was all that ran."""
        return self.outputs[0] if len(self.outputs) == 1 else None

    def added_to(self, model_options: dict[str, Any]) -> dict[str, Any]:
        """Returns options in which this is the outermost wrapper."""
        if "model_function_wrapper" in model_options:  # may change what the model is given and what it predicts
            return model_options
        options = model_options.get("transformer_options", {})
        wrappers = options.get("wrappers", {})
        ours = {_KEY: [self], **wrappers.get(WrappersMP.DIFFUSION_MODEL, {})}
        wrapped = {**options, "wrappers": {**wrappers, WrappersMP.DIFFUSION_MODEL: ours}}
        return {**model_options, "transformer_options": wrapped}

    def __call__(self, executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if x.shape != self.z.shape:  # a context window, a part of the picture, several conditionings
            self.outputs.append(None)
            return executor(x, *args, **kwargs)
        output = executor(self.z.to(x), *args, **kwargs)
        self.outputs.append(output)
        return output


def predicts_noise(model_sampling: Any) -> bool:
    """Whether a model's output is the noise."""
    return getattr(type(model_sampling), "calculate_denoised", None) is EPS.calculate_denoised


def predicts_velocity(model_sampling: Any) -> bool:
    """Whether a model's output is the velocity."""
    return getattr(type(model_sampling), "calculate_denoised", None) is V_PREDICTION.calculate_denoised
