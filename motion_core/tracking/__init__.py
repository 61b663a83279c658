"""Tracks of points through a clip: (tracks, N, 2) in pixels, x and y, with (0, 0) in the upper left pixel's centre."""

from .drawing import draw_tracks
from .tracker import TRACKERS, Tracker, find_tracker
from .tracks import Tracks

__all__ = ["TRACKERS", "Tracker", "Tracks", "draw_tracks", "find_tracker"]
