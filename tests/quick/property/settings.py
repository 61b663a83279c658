"""Settings of hypothesis that the property tests share: the same examples in every run and no deadline."""

from hypothesis import settings

reproducible = settings(max_examples=40, deadline=None, derandomize=True)
