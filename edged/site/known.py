"""The terminals whose keys a site has from themselves, and not from its broker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.errors import ProvisionError
from edged.vault.files import replaced
from edged.vault.identity import signing_id

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal's public keys, in PEM form, as it showed them when it was provisioned."""

    name: str
    signing: str
    sealing: str

    @property
    def signing_id(self) -> str:
        """As in the terminal's signatures."""
        return signing_id(self.signing)


class Known:
    """A folder with a file for each terminal, ``<terminal>.json``; beside it lies its signing key
    alone, ``<terminal>.pem``, for ``edged audit verify --key``."""

    def __init__(self, folder: Path, site: str) -> None:
        self._folder = folder
        self._site = site

    def all(self) -> dict[str, Terminal]:
        """Every terminal of this site, by name.

        Raises:
            ProvisionError: one of the files cannot be read.
        """
        paths = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        found = (self._read(path) for path in paths)
        return {one.name: one for one in found if one is not None}

    def terminal(self, name: str) -> Terminal | None:
        """One of them; errors as `all`."""
        path = self._folder / f"{name}.json"
        return self._read(path) if path.is_file() else None

    def pin(self, terminal: Terminal, *, anew: bool = False) -> bool:
        """Remember a terminal's keys; whether that changed anything.

        Args:
            anew: another identity takes the place of the one that is known.

        Raises:
            ProvisionError: another identity is known by this name, or it cannot be written.
        """
        known = self.terminal(terminal.name)
        if known == terminal:
            return False
        if known is not None and not anew:
            raise ProvisionError(
                f"{terminal.name} is known with another identity ({known.signing_id}, not "
                f"{terminal.signing_id}): if it really got a new key, say --replace-identity"
            )
        document = {
            "v": 1,
            "terminal": f"{self._site}/{terminal.name}",
            "signing": {"id": terminal.signing_id, "public_key": terminal.signing},
            "sealing": {"public_key": terminal.sealing},
        }
        # the document last: it says that the terminal is known
        texts = {"pem": terminal.signing, "json": json.dumps(document, indent=2) + "\n"}
        path = self._folder
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for suffix, text in texts.items():
                path = self._folder / f"{terminal.name}.{suffix}"
                with replaced(path) as draft:
                    draft.write_text(text, encoding="ascii")
                    draft.chmod(0o644)
        except OSError as fault:
            raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault
        return True

    def _read(self, path: Path) -> Terminal | None:
        """None: it is of another site."""
        try:
            with path.open("rb") as file:
                document: Any = json.loads(file.read(_LARGEST))
            site, _, name = document["terminal"].partition("/")
            if site != self._site:
                return None
            terminal = Terminal(
                name, document["signing"]["public_key"], document["sealing"]["public_key"]
            )
            _ = terminal.signing_id
        except OSError as fault:
            raise ProvisionError(f"{path}: cannot be read: {fault.strerror}") from fault
        except Exception as fault:
            raise ProvisionError(f"{path}: does not hold a terminal's keys: {fault}") from fault
        if path.stem != name:
            raise ProvisionError(f"{path}: is about {name}; a file is named like its terminal")
        return terminal
