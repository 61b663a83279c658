"""LTX-Video, in diffusers' and in ComfyUI's classes: all places of all frames attend to each other."""
