"""What is trained, saved, loaded and applied: embeddings and adapters, where they come from, and their files."""
