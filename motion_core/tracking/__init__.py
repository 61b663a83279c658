"""Point tracking. Tracks: (tracks, N, 2), x and y in pixels; (0, 0) is the centre of the upper left pixel."""
