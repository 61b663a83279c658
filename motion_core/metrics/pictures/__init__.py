"""Pictures that compare clips and show their tracks, with a text that says what they show."""
