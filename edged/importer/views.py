"""A network run over many faces, whole and damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.config.schema import Model
from edged.errors import BundleError, RuntimeFault
from edged.evaluation.degrade import FIXED, random_degradation
from edged.evaluation.progress import progress
from edged.runtime.choose import open_runner
from edged.vision.embed import network_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edged.bundle.manifest import Input
    from edged.types import Floats, Image

KINDS = ("blur", "low resolution", "noise", "dark", "overexposed", "half dark", "occluded")
SEED = 20250101


def damage(chips: Image, kind: str) -> Iterator[Image]:
    """One kind of damage in the middle of its range to every chip."""
    for number, chip in enumerate(chips):
        yield _swapped(FIXED[kind](_swapped(chip), np.random.default_rng([SEED, number])))


def damage_randomly(chips: Image) -> Iterator[Image]:
    """Any damage at any level to every chip."""
    for number, chip in enumerate(chips):
        yield _swapped(random_degradation(_swapped(chip), np.random.default_rng([SEED, number])))


def _swapped(chip: Image) -> Image:
    """BGR to RGB or back: the kinds of damage are made for a face in its colours."""
    return np.ascontiguousarray(chip[:, :, ::-1])


class Views:
    """Runs one network; every answer is a list of rows (n, k), one an output."""

    def __init__(
        self, network: Path, form: Input, outputs: Sequence[str], settings: Model | None = None
    ) -> None:
        self._network = network
        self._form = form
        self._outputs = list(outputs)
        self._settings = settings or Model()

    def __call__(self, chips: Sequence[Image] | Image, what: str) -> list[Floats]:
        """Run every chip; `what` says why, on a terminal.

        Raises:
            BundleError: no runtime here takes the network, or it gives no finite numbers.
            RuntimeFault: there is no runtime.
        """
        runner = open_runner(self._network, self._outputs, self._settings)
        try:
            rows = [
                runner.run(network_input(chip, self._form)) for chip in progress(list(chips), what)
            ]
        except RuntimeFault as fault:
            raise BundleError(f"the network cannot be run on one face: {fault}") from fault
        finally:
            runner.close()
        return [
            self._stacked(name, [row[i] for row in rows]) for i, name in enumerate(self._outputs)
        ]

    def _stacked(self, name: str, values: list[Floats]) -> Floats:
        stacked = np.stack([value.reshape(-1) for value in values])
        wrong = int((~np.isfinite(stacked)).any(1).sum())
        if wrong:
            raise BundleError(
                f"output {name}: no finite numbers for {wrong} of {len(values)} faces; such a "
                "network cannot be used (are --mean and --scale right?)"
            )
        return np.asarray(stacked, np.float32)
