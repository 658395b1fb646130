"""A bundle's folder in, a `Bundle` out: every byte accounted for, or an error."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edged.bundle.manifest import Detector, Recogniser
from edged.bundle.read import MANIFEST_NAME, read_manifest
from edged.errors import BundleError
from edged.resources import shared


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model bundle whose files are what its manifest says.

    Attributes:
        folder: where it lies.
        manifest: a `Recogniser` or a `Detector`.
        identity: ``name@version#`` and twelve hex digits over the network files: what a
            template is stored with, so that templates of two networks are never compared.
    """

    folder: Path
    manifest: Recogniser | Detector
    identity: str

    @property
    def networks(self) -> dict[str, Path]:
        """The network files by role: "network", or "pnet", "rnet", "onet"."""
        files = self.manifest.network_files
        return {role: self.folder / name for role, name in files.items()}

    @property
    def recogniser(self) -> Recogniser:
        """The manifest of a recogniser; raises BundleError for a detector."""
        if not isinstance(self.manifest, Recogniser):
            raise BundleError(f"{self.folder / MANIFEST_NAME}: kind: must be a recogniser here")
        return self.manifest

    @property
    def detector(self) -> Detector:
        """The manifest of a detector; raises BundleError for a recogniser."""
        if not isinstance(self.manifest, Detector):
            raise BundleError(f"{self.folder / MANIFEST_NAME}: kind: must be a detector here")
        return self.manifest


def find_bundle(name: str | Path) -> Path:
    """The folder of a bundle: one that ships with edged, by name, or any by its path.

    Raises:
        BundleError: there is neither; the text lists what ships.
    """
    models = shared("models")
    shipped = sorted(path.parent.name for path in models.glob(f"*/{MANIFEST_NAME}"))
    if str(name) in shipped:
        return models / name
    folder = Path(name)
    if str(name) and folder.is_dir():
        return folder
    raise BundleError(
        f"no model bundle {str(name)!r}: expected the path of a folder or one of those that ship "
        f"with edged ({', '.join(shipped) or 'none is installed'})"
    )


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle and check every file in it.

    Raises:
        BundleError: the manifest is not usable, a file is missing, altered or not listed;
            one line for each problem, naming file and field.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; expected a model bundle")
    manifest = read_manifest(folder / MANIFEST_NAME)
    problems = _unlisted(folder, manifest) + [
        problem
        for name, digest in manifest.files.items()
        if (problem := _altered(folder, name, digest))
    ]
    if problems:
        raise BundleError("\n".join(problems))
    digest = hashlib.sha256()
    for _, name in sorted(manifest.network_files.items()):
        digest.update((folder / name).read_bytes())
    identity = f"{manifest.name}@{manifest.version}#{digest.hexdigest()[:12]}"
    return Bundle(folder, manifest, identity)


def _unlisted(folder: Path, manifest: Recogniser | Detector) -> list[str]:
    present = {path.name for path in folder.iterdir()} - {MANIFEST_NAME}
    return [
        f"{folder / MANIFEST_NAME}: files: {name} lies in the folder and is not listed"
        for name in sorted(present - manifest.files.keys())
    ]


def _altered(folder: Path, name: str, expected: str) -> str:
    """What is wrong with a listed file; empty when nothing is."""
    path = folder / name
    field = f"{folder / MANIFEST_NAME}: files.{name}"
    try:
        if path.resolve().parent != folder.resolve():
            return f"{field}: is a link that leads out of the folder"
        if not path.is_file():
            return f"{field}: is listed and missing"
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, RuntimeError) as fault:  # the latter for links in a circle
        return f"{field}: cannot be read: {fault}"
    if found != expected:
        return (
            f"{field}: the file was altered: sha256 is {found[:12]}…, the manifest has "
            f"{expected[:12]}…; install the bundle again"
        )
    return ""
