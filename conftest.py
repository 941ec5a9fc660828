"""Settings of pytest for the whole project."""

pytest_plugins = ["tests.notebook_comparison"]
