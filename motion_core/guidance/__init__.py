"""Following a clip with nothing trained: gradients of the frozen model guide the sampling. One file a method."""
