"""A few reference crops with the embeddings and log variances that the network must give.

The file is an ``.npz`` with exactly three arrays:

- ``chips``: aligned faces, BGR, uint8 (n, height, width, 3) of the network's input;
- ``embeddings``: unit length, float32 (n, d);
- ``log_variances``: float32 (n,).

It shows that runtime, device and driver make of the network what its makers did; a network that
was altered already shows in its digest.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.lib import format as npy

from edged.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edged.bundle.load import Bundle
    from edged.types import Floats, Image

LEAST_COSINE = 0.99
LARGEST_DIFFERENCE = 0.1
"""Of a log variance. Two runtimes round INT8 differently: with the shipped network, on the crops of
`edged.vision.reference`, by a cosine of 0.997 and by 0.029 (docs/decisions/0003-runners.md)."""
LARGEST_SHARE = 0.05
"""Of the distance between the self-test's lowest and highest log variance, which may differ by this
where it is more: the scale is a network's own. Where the scale is small, the cosine decides."""

MOST_CHIPS = 32
_LARGEST_FILE = 16 << 20
_LARGEST_HEADER = 1000


class Embedded(Protocol):
    """What an embedder makes of a chip."""

    @property
    def embedding(self) -> Floats:
        """Unit length, float32 (d,)."""

    @property
    def log_variance(self) -> float:
        """The network's doubt; NaN where it gives no numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class SelfTest:
    """The arrays of a self-test, see above."""

    chips: Image
    embeddings: Floats
    log_variances: Floats

    def save(self, path: Path) -> None:
        """Write the file, the same bytes for the same arrays; its digest goes in the manifest."""
        np.savez_compressed(
            path,
            chips=self.chips,
            embeddings=self.embeddings,
            log_variances=self.log_variances,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a runtime was from what the self-test expects: the worst over its chips."""

    chips: int
    cosine: float
    difference: float


def make(chips: Sequence[Image], embed: Callable[[Image], Embedded]) -> SelfTest:
    """A self-test from what a network gives for these chips now.

    Args:
        chips: aligned faces, BGR uint8 (height, width, 3) of the network's input; at most 32.
        embed: of an embedder on the network that goes into the bundle.

    Raises:
        BundleError: the network gives no numbers for one of them.
    """
    made = [embed(chip) for chip in chips]
    log_variances = np.array([one.log_variance for one in made], np.float32)
    if not 1 <= len(made) <= MOST_CHIPS or not np.isfinite(log_variances).all():
        raise BundleError(
            f"a self-test has 1 to {MOST_CHIPS} chips that the network can embed; "
            "use other faces, or look at the network"
        )
    embeddings = np.stack([one.embedding for one in made]).astype(np.float32)
    return SelfTest(np.stack(chips), embeddings, log_variances)


def run(bundle: Bundle, embed: Callable[[Image], Embedded]) -> Outcome | None:
    """Hold an open network against its bundle's self-test; None where the bundle has none.

    Raises:
        BundleError: the network gives something else, or the file is no self-test.
        RuntimeFault: the runtime failed.
    """
    test = read(bundle)
    if test is None:
        return None
    made = [embed(chip) for chip in test.chips]
    pairs = zip(made, test.embeddings, strict=True)
    cosines = [float(one.embedding @ expected) for one, expected in pairs]
    differences = np.abs(np.array([one.log_variance for one in made]) - test.log_variances)
    allowed = max(LARGEST_DIFFERENCE, LARGEST_SHARE * float(np.ptp(test.log_variances)))
    outcome = Outcome(len(made), float(np.min(cosines)), float(np.max(differences)))
    # so written, NaN fails
    if not (outcome.cosine >= LEAST_COSINE and outcome.difference <= allowed):
        raise BundleError(
            f"{bundle.folder}: self-test failed: on this runtime the network's embeddings are not "
            f"those it was made with: cosine {outcome.cosine:.4f} (expected {LEAST_COSINE} or "
            f"more), log variance off by {outcome.difference:.3g} (expected "
            f"{allowed:.3g} or less); try another model.runtime or model.device, update "
            "the runtime, or return to another bundle"
        )
    return outcome


def read(bundle: Bundle) -> SelfTest | None:
    """A bundle's self-test; None where it has none. Nothing in the file is believed.

    Raises:
        BundleError: the file is no self-test of this network.
    """
    manifest = bundle.recogniser
    if manifest.selftest is None:
        return None
    path = bundle.folder / manifest.selftest
    form = manifest.input
    try:
        members = _members(path)
        chips = _array(members["chips.npy"], np.uint8, (form.height_px, form.width_px, 3))
        size = manifest.outputs.embedding.size
        embeddings = _array(members["embeddings.npy"], np.float32, (size,))
        log_variances = _array(members["log_variances.npy"], np.float32, ())
        if not len(chips) == len(embeddings) == len(log_variances):
            raise ValueError("the arrays have different lengths")  # noqa: TRY301
        lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
        if not (np.abs(lengths - 1) < 1e-3).all():
            raise ValueError("the embeddings are not of unit length")  # noqa: TRY301
    except Exception as fault:  # zip, its codecs and npy have no common ground
        raise BundleError(f"{path}: no self-test of this network: {fault}") from fault
    return SelfTest(chips, embeddings, log_variances)


def _members(path: Path) -> dict[str, bytes]:
    """The three members, unpacked to no more than a file may hold."""
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"larger than {_LARGEST_FILE:,} bytes")
    names = ["chips.npy", "embeddings.npy", "log_variances.npy"]
    with zipfile.ZipFile(path) as archive:
        if sorted(archive.namelist()) != names:
            raise ValueError("expected the arrays chips, embeddings and log_variances")
        # zipfile never unpacks more than is declared
        if sum(info.file_size for info in archive.infolist()) > _LARGEST_FILE:
            raise ValueError(f"unpacks to more than {_LARGEST_FILE:,} bytes")
        return {name: archive.read(name) for name in names}


def _array(content: bytes, kind: type[Any], row: tuple[int, ...]) -> Any:
    """An array (1–32, *row); its header is judged before anything is made of it."""
    stream = io.BytesIO(content)
    if npy.read_magic(stream) != (1, 0):
        raise ValueError("an array in a form that is not expected here")
    shape, by_column, dtype = npy.read_array_header_1_0(stream, _LARGEST_HEADER)
    if dtype != np.dtype(kind) or by_column or shape[1:] != row or len(shape) != len(row) + 1:
        expected = f"{np.dtype(kind)} (n{''.join(f', {size}' for size in row)})"
        raise ValueError(f"an array is {dtype} {shape}, expected {expected}")
    data = content[stream.tell() :]
    if not 1 <= shape[0] <= MOST_CHIPS or len(data) != dtype.itemsize * int(np.prod(shape)):
        raise ValueError(f"an array is not as long as it says, or has not 1 to {MOST_CHIPS} rows")
    array = np.frombuffer(data, dtype).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("an array holds something that is no number")
    return array
