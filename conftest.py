"""Settings of pytest for the whole project."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.longest_first", "tests.notebook_comparison", "tests.notebook_patience"]

# How long an example takes says who else uses the machine, not whether the code is right.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
