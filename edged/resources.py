"""Where the things that ship with edged lie: models, example configuration, units.

In a wheel they are inside the package (``edged/share``); in a checkout at its top level.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shared(name: str) -> Path:
    """What ships with edged under ``name``: "models", "config", "systemd" or "NOTICE"."""
    packaged = _PACKAGE / "share" / name
    return packaged if packaged.exists() else _PACKAGE.parent / name
