"""The host adapter: what the core needs of ComfyUI and what ComfyUI needs of the core."""
