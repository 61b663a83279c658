"""How training saves memory: modes and their prediction, checkpointing, recomputation, weights in 8 bits."""
