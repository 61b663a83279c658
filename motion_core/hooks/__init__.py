"""Hooks on a model that last as long as a `with` block: embeddings, adapters, attention maps, feature means."""
