"""The pack's own socket types."""

from comfy_api.latest import io

MotionEmbeddingSocket = io.Custom("MOTION_EMBEDDING")
"""Carries a `motion_core.embedding.MotionEmbedding`, on the CPU."""

MotionTracksSocket = io.Custom("MOTION_TRACKS")
"""Carries `motion_core.tracking.Tracks`, on the CPU."""
