"""Which frames of a clip are in a forward, where a host slides context windows over a longer one."""

from __future__ import annotations

from typing import Any

from ...motion_core.hooks.live_switch import Window

FRAME_INDICES = ("window", "absolute")
"""What sliding context windows do to a motion: it is repeated in each, or stretched over the whole clip."""


def find_window(options: dict[str, Any]) -> Window | None:
    """Finds the frames' numbers in the whole clip, from AnimateDiff-Evolved or the host; None without a window.

    The host may put an anchor before a window: a frame of the clip that is in the forward and whose result it drops.
    """
    params = options.get("ad_params") or {}
    if params.get("sub_idxs") is not None:
        return Window(tuple(params["sub_idxs"]), int(params["full_length"]))
    window = options.get("context_window")
    if window is not None and getattr(window, "total_frames", 0):
        return Window((*_find_anchor(options), *window.index_list), int(window.total_frames))
    return None


def find_repeated_window(options: dict[str, Any]) -> Window | None:
    """Returns the window of a motion that begins anew in each window; None where it covers all frames of the forward.

    An anchor lies before the motion's first frame and gets that frame's values, so that the window's own frames move
    as they would without it.
    """
    if not _find_anchor(options):
        return None
    length = len(options["context_window"].index_list)
    return Window((0, *range(length)), length)


def _find_anchor(options: dict[str, Any]) -> tuple[int, ...]:
    anchor = getattr(options.get("context_window"), "causal_anchor_index", None)
    windowed_elsewhere = (options.get("ad_params") or {}).get("sub_idxs") is not None
    return () if anchor is None or anchor < 0 or windowed_elsewhere else (int(anchor),)
