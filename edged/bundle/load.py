"""A bundle's folder in, a `Bundle` out: every byte accounted for, or an error."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edged.bundle.manifest import Detector, Recogniser
from edged.bundle.read import MANIFEST_NAME, manifest_bytes, parse_manifest
from edged.bundle.sign import DRAFT_NAME, SIGNATURE_NAME
from edged.bundle.store import installed
from edged.errors import BundleError
from edged.resources import shared

if TYPE_CHECKING:
    from edged.bundle.trust import Trust

_TEXTS = (".md", ".txt")  # the card and the licences


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model bundle whose files are what its manifest says.

    Attributes:
        folder: where it lies.
        manifest: a `Recogniser` or a `Detector`.
        identity: ``name@version#`` and twelve hex digits over the networks, their input, their
            output and every file beside them that is no text: what a template is stored with,
            so that templates of two networks are never compared.
        origin: why it is trusted, in a few words; empty when nobody asked.
    """

    folder: Path
    manifest: Recogniser | Detector
    identity: str
    origin: str = ""

    @property
    def digest(self) -> str:
        """The identity's last part: equal where the same network sees and gives the same."""
        return self.identity.rpartition("#")[2]

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


def find_bundle(name: str | Path, store: Path | None = None) -> Path:
    """The folder of a bundle: by name one that is installed or ships, or any by its path.

    Args:
        name: or path.
        store: where bundles are installed; None to look only at those that ship.

    Raises:
        BundleError: there is none (the text lists those that ship), or the store is damaged.
    """
    if store is not None and (found := installed(store, str(name))):
        return found[0]
    return shipped(name) or _folder(name)


def shipped(name: str | Path) -> Path | None:
    """The folder of a bundle that ships with edged; None when none has this name."""
    folder = shared("models") / name
    return folder if str(name) in shipped_names() else None


def shipped_names() -> list[str]:
    """The bundles that ship with edged, in order."""
    return sorted(path.parent.name for path in shared("models").glob(f"*/{MANIFEST_NAME}"))


def _folder(name: str | Path) -> Path:
    folder = Path(name)
    try:
        if str(name) and folder.is_dir():
            return folder
    except OSError as fault:
        raise BundleError(f"{name}: cannot be read: {fault.strerror}") from fault
    raise BundleError(
        f"no model bundle {str(name)!r}: expected the path of a folder, one that was installed "
        f"(`edged model list`) or one of those that ship with edged "
        f"({', '.join(shipped_names()) or 'none is installed'})"
    )


def load_bundle(folder: Path, trust: Trust | None = None) -> Bundle:
    """Read a bundle and check every file in it.

    Args:
        folder: where it lies.
        trust: whose bundles are used. Without it nobody is asked who made the bundle: for tools
            that make or describe one, never for one that decides at a door.

    Raises:
        BundleError: the manifest is not usable, a file is missing, altered or not listed, the
            folder cannot be read, or the bundle is not trusted; one line for each problem,
            naming file and field.
    """
    try:
        return _load(folder, trust)
    except OSError as fault:
        raise BundleError(f"{folder}: cannot be read: {fault.strerror}") from fault


def _load(folder: Path, trust: Trust | None) -> Bundle:
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; expected a model bundle")
    content = manifest_bytes(folder / MANIFEST_NAME)
    manifest = parse_manifest(content, folder / MANIFEST_NAME)
    problems = _unlisted(folder, manifest) + [
        problem
        for name, digest in manifest.files.items()
        if (problem := _altered(folder, name, digest))
    ]
    origin = ""
    if trust is not None:
        try:
            origin = trust.judge(folder, manifest.name, content)
        except BundleError as fault:
            problems.append(str(fault))
    if problems:
        raise BundleError("\n".join(problems))
    identity = f"{manifest.name}@{manifest.version}#{_digest(manifest)}"
    return Bundle(folder, manifest, identity, origin)


def _digest(manifest: Recogniser | Detector) -> str:
    """Of all that makes an embedding what it is: the networks, what else they may read, and what
    goes in and comes out. Texts and the self-test may change without it."""
    networks = manifest.network_files
    aside = {*networks.values(), getattr(manifest, "selftest", None)}
    facts = {
        **manifest.model_dump(mode="json", include={"input", "alignment", "outputs"}),
        "networks": {role: manifest.files[name] for role, name in networks.items()},
        "beside": {
            name: digest
            for name, digest in manifest.files.items()
            if name not in aside and not name.endswith(_TEXTS)
        },
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _unlisted(folder: Path, manifest: Recogniser | Detector) -> list[str]:
    present = {path.name for path in folder.iterdir()} - {MANIFEST_NAME, SIGNATURE_NAME, DRAFT_NAME}
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
