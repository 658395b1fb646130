"""The report's facts as one JSON document: what every form of the report is made from."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from edged import __version__

if TYPE_CHECKING:
    from edged.evaluation.instrument import Instrument
    from edged.runtime.base import RunnerInfo

SCHEMA = "edged-eval/1"
_DIGITS = 6


def plain(value: Any) -> Any:
    """Dataclasses and numpy values as JSON takes them; six digits, and null for no number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value


def protocol(instrument: Instrument, seed: int) -> dict[str, Any]:
    """What was measured, with what, how and when."""
    engine = instrument.engine
    faces = {
        "largest": "detected; the largest of a photo",
        "central": "detected; the one nearest to a photo's centre",
        "aligned": "aligned already; every image is a chip",
    }
    told: dict[str, Any] = {
        "edged": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "bundle": engine.identity,
        **_run_by(engine.runner_info),
        "precision": _precision(engine.networks["network"].read_bytes()),
        "faces": faces[instrument.face],
        "quality_means": engine.manifest.quality.meaning,
        "score_source": engine.manifest.quality.source,
    }
    if instrument.reference_info is not None and instrument.reference_file is not None:
        data = instrument.reference_file.read_bytes()
        told["reference"] = {**_run_by(instrument.reference_info), "precision": _precision(data)}
    return told


def _run_by(info: RunnerInfo) -> dict[str, str]:
    return {"runtime": f"{info.runtime} {info.version}", "device": info.device}


def _precision(network: bytes) -> str:
    return "int8" if b"DequantizeLinear" in network else "float"
