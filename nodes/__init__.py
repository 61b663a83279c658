"""Everything that knows ComfyUI: thin nodes, one file a job, and the host adapter. Arrows: nodes -> motion_core."""
