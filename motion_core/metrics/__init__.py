"""Scores of a result: how well it keeps the reference's motion and follows its prompt. Training never imports them."""
