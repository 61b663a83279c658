"""Container files: timing of frames, and checks for damage before anything is decoded."""
