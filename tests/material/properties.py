"""The settings that property tests share: few examples, and the same ones in every run."""

from hypothesis import HealthCheck, settings

PROPERTY = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
