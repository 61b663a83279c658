"""The pack as one package, so that mypy resolves the imports of the core in `nodes/`."""
