"""The features of a block on the way up that describe how its picture moves: DMT's choice, for both families."""

from torch import nn

from ..errors import ModelError

_FEATURES = ("resnets.1.conv2", "temp_convs.1", "motion_modules.1", "upsamplers.0")
"""The second layer's spatial convolution before its residual, what follows it along time, and the upsampler."""


def find_block_features(module: nn.Module, block: str) -> dict[str, nn.Module]:
    """Name -> the module whose output, (B * N, C, h, w), is the feature, in the order in which the model runs.

    block: diffusers' name, such as `up_blocks.1`, also where the host numbers its UNet's blocks. Raises ModelError.
    """
    known = dict(module.named_modules()) if hasattr(module, "up_blocks") else _name_as_diffusers(module)
    names = [f"{block}.{own}" for own in _FEATURES]
    found = {name: known[name] for name in names if name in known}
    if not found:
        raise ModelError(f"this model has no features in {block!r}; name a block on its way up, such as up_blocks.1")
    return found


def _name_as_diffusers(module: nn.Module) -> dict[str, nn.Module]:
    """Of ComfyUI's UNet, in whose `output_blocks` a level has three entries, with motion modules among their parts."""
    named: dict[str, nn.Module] = {}
    for number, parts in enumerate(getattr(module, "output_blocks", ())):
        home = f"up_blocks.{number // 3}"
        for part in parts:
            if hasattr(part, "out_layers"):
                named[f"{home}.resnets.{number % 3}.conv2"] = part.out_layers[-1]
            elif hasattr(part, "temporal_transformer"):
                named[f"{home}.motion_modules.{number % 3}"] = part
            elif type(part).__name__ == "Upsample":
                named[f"{home}.upsamplers.0"] = part
    return named
