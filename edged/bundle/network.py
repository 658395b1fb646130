"""A recogniser's network, opened and held against its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.bundle.read import MANIFEST_NAME
from edged.errors import BundleError, RuntimeFault
from edged.runtime.choose import open_runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.bundle.load import Bundle
    from edged.config.schema import Model
    from edged.runtime.base import Runner, RunnerInfo


def open_network(bundle: Bundle, settings: Model) -> Runner:
    """Open a recogniser's network; `Runner.run` gives the embedding, then the log variance.

    Raises:
        BundleError: the bundle is no recogniser, or the network does not fit its manifest; the
            text names file and field.
        RuntimeFault: the runtime or the device is missing, or refuses the network.
    """
    manifest = bundle.recogniser
    outputs = manifest.outputs
    runner = open_runner(
        bundle.networks["network"], [outputs.embedding.name, outputs.log_variance.name], settings
    )
    try:
        problems = _misfits(bundle, runner.describe())
    except (BundleError, RuntimeFault):
        runner.close()
        raise
    if problems:
        runner.close()
        raise BundleError("\n".join(problems))
    return runner


def _misfits(bundle: Bundle, info: RunnerInfo) -> list[str]:
    """Where the network is not what the manifest says."""
    manifest = bundle.recogniser
    where = bundle.folder / MANIFEST_NAME
    embedding, log_variance = info.outputs
    expected = (1, 3, manifest.input.height_px, manifest.input.width_px)
    problems = []
    if info.input.name != manifest.input.name:
        problems.append(
            f"{where}: input.name: {manifest.network} calls its input {info.input.name} "
            f"(got {manifest.input.name})"
        )
    if not _is(info.input.shape, expected):
        problems.append(
            f"{where}: input: {manifest.network} takes {_shown(info.input.shape)}, the manifest "
            f"means {_shown(expected)}"
        )
    if not _is(embedding.shape, (1, manifest.outputs.embedding.size)):
        problems.append(
            f"{where}: outputs.embedding.size: {manifest.network} gives {_shown(embedding.shape)} "
            f"(got {manifest.outputs.embedding.size})"
        )
    if any(size not in (None, 1) for size in log_variance.shape):
        problems.append(
            f"{where}: outputs.log_variance: {manifest.network} gives "
            f"{_shown(log_variance.shape)}, expected one number"
        )
    return problems


def _is(shape: Sequence[int | None], expected: Sequence[int]) -> bool:
    """Whether an array of the expected shape fits; None stands for any size."""
    return len(shape) == len(expected) and all(
        size in (None, want) for size, want in zip(shape, expected, strict=True)
    )


def _shown(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"
