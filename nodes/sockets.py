"""The pack's own socket types."""

from comfy_api.latest import io

MotionEmbeddingSocket = io.Custom("MOTION_EMBEDDING")
"""Carries a `motion_core.motions.embedding.MotionEmbedding`, on the CPU."""

MotionAdapterSocket = io.Custom("MOTION_ADAPTER")
"""Carries a `motion_core.motions.adapter.Adapter`, on the CPU."""

MotionReferencesSocket = io.Custom("MOTION_REFERENCES")
"""Carries a list of `nodes.host.training.CaptionedLatents`."""

MotionTracksSocket = io.Custom("MOTION_TRACKS")
"""Carries `motion_core.tracking.tracks.Tracks`, on the CPU."""

EarlyStopSocket = io.Custom("MOTION_EARLY_STOP")
"""Carries a `nodes.host.preview_stop.PreviewStop`."""
