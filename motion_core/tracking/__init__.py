"""Tracks of points through a clip: (tracks, N, 2) in pixels, x and y, with (0, 0) in the upper left pixel's centre."""
