"""Video clips: reading them into tensors (N, H, W, 3), float32 of 0..1, and writing tensors as videos."""
