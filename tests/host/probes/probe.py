"""What probes share: they say a text, run anew each time, and may take any socket."""

import sys


class _Anything(str):
    def __ne__(self, other):
        return False


ANYTHING = _Anything("*")


INJECTED = "temporal_transformer"
"""In the names of what AnimateDiff-Evolved puts into a UNet while it samples, and takes out some time later."""


class Probe:
    RETURN_TYPES = ()
    FUNCTION = "say"
    OUTPUT_NODE = True
    CATEGORY = "tests"

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")


def of_the_pack(name):
    """A module of the pack, such as `motion_core.training.train`, as the host has loaded it."""
    return next(module for key, module in sys.modules.items() if key.endswith(f"motion-inversion.{name}"))
