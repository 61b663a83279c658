"""Motion files of other projects: Motion Inversion's, MotionDirector's, AnimateDiff's motion LoRAs."""
