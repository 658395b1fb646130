"""What an import needs beyond what a terminal has, loaded late and named when it is missing."""

from __future__ import annotations

import importlib
from typing import Any

from edged.errors import EdgedError


def extra(name: str) -> Any:
    """Import a package of the extra ``import``.

    Raises:
        EdgedError: it is not installed, or broken; the text says what to install.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        if fault.name != name.partition(".")[0]:
            raise EdgedError(f"{name}: installed, but cannot be loaded: {fault}") from fault
        raise EdgedError(
            f"importing a model needs {name}, which is not installed; pip install 'edged[import]'"
        ) from fault
    except (ImportError, OSError) as fault:
        raise EdgedError(f"{name}: installed, but cannot be loaded: {fault}") from fault
