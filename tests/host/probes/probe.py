"""What probes share: they say a text, run anew each time, and may take any socket."""


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
