"""Decoded frames: their selection, size, orientation and colours."""
