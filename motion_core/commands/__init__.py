"""The command line: one file a command, each with `add_options(parser)` and `run(args)`."""
