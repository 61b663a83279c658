"""One table: methods x clips x prompts x seeds, from a suite file."""
