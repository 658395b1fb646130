"""The finished network on every runtime that is here: does it run, do they agree, how fast."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edged.bundle import selftest
from edged.bundle.network import open_network
from edged.config.schema import Model
from edged.errors import BundleError, RuntimeFault
from edged.runtime.choose import open_runner
from edged.runtime.table import available
from edged.vision.embed import Embedder, network_input
from edged.vision.reference import reference_chips

if TYPE_CHECKING:
    from pathlib import Path

    from edged.bundle.load import Bundle
    from edged.runtime.base import Runner
    from edged.types import Floats

_TIMED = 7


def write_selftest(bundle: Bundle, path: Path) -> None:
    """What the network gives for reference crops of the public domain, for later comparison."""
    form = bundle.recogniser.input
    landmarks = bundle.recogniser.alignment.landmarks
    chips = reference_chips(landmarks, (form.width_px, form.height_px))
    runner = open_network(bundle, Model())
    try:
        selftest.make(chips, Embedder(bundle.recogniser, runner).embed).save(path)
    finally:
        runner.close()


def check_runtimes(bundle: Bundle, float_file: Path | None) -> dict[str, dict[str, float]]:
    """Run the bundle's self-test on the CPU of every runtime that is here.

    Args:
        float_file: the network before it became INT8, to state the time's ratio; None without.

    Returns:
        By runtime: ``cosine`` (worst) and ``difference`` (of a log variance, largest) to what the
        bundle expects, and ``speed``, the file's time over the float network's.

    Raises:
        BundleError: a runtime refuses the network, or makes something else of it.
    """
    found: dict[str, dict[str, float]] = {}
    for report in available():
        if report.problem:
            continue
        settings = Model(runtime=report.name, device="CPU")
        try:
            found[report.name] = _check(bundle, settings, float_file)
        except (BundleError, RuntimeFault) as fault:
            raise BundleError(
                f"the network does not run as it should on {report.name}; --float may help: {fault}"
            ) from fault
    return found


def _check(bundle: Bundle, settings: Model, float_file: Path | None) -> dict[str, float]:
    manifest = bundle.recogniser
    runner = open_network(bundle, settings)
    try:
        outcome = selftest.run(bundle, Embedder(manifest, runner).embed)
        if outcome is None:
            raise BundleError(f"{bundle.folder}: has no self-test")
        row = {"cosine": outcome.cosine, "difference": outcome.difference}
        if float_file is None:
            return row
        form = manifest.input
        face = network_input(np.full((form.height_px, form.width_px, 3), 127, np.uint8), form)
        names = [manifest.outputs.embedding.name, manifest.outputs.log_variance.name]
        other = open_runner(float_file, names, settings)
        try:
            return row | {"speed": _median_s(runner, face) / _median_s(other, face)}
        finally:
            other.close()
    finally:
        runner.close()


def _median_s(runner: Runner, face: Floats) -> float:
    times = []
    for _ in range(_TIMED + 1):
        start = time.perf_counter()
        runner.run(face)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))
