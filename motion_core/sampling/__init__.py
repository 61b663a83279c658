"""Sampling a clip from noise, and inverting a clip to noise."""
