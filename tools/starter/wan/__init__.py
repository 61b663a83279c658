"""Trains the Wan-shaped starter model."""
