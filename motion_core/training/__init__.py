"""The one trainer: it trains the embeddings and adapters of every recipe on a frozen model."""
