"""Video clips in and out of tensors, (N, H, W, 3) float32 of 0..1."""
