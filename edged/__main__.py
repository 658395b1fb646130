"""``python -m edged``."""

from edged.cli.main import entry_point

entry_point()
