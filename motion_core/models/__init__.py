"""The model families, a room each, and what they share: attention sites, adaptable layers, block features."""
