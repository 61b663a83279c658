"""How well a result keeps the reference's motion and follows its prompt. Training never imports this."""
