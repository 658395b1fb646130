from __future__ import annotations

from typing import TYPE_CHECKING

from edged.vault.identity import Identity, seal, sealing_key
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran, Site


def test_the_printed_sealing_key_is_the_one_that_the_terminal_opens_with(
    site: Site, edged: Callable[..., Ran]
) -> None:
    told = edged("gallery", "identity", "--json", "-c", site.config).json
    assert told["terminal"] == "hq/lobby-1"
    sealed = seal(b"for you", sealing_key(told["sealing"]["public_key"]))
    key = bytes.fromhex(site.key.read_text().strip())
    assert Identity(Secret(key)).open_sealed(sealed) == b"for you"


def test_no_private_key_is_printed(site: Site, edged: Callable[..., Ran]) -> None:
    ran = edged("gallery", "identity", "-c", site.config)
    assert ran.code == 0
    assert ran.out.count("BEGIN PUBLIC KEY") == 2
    assert site.key.read_text().strip() not in ran.out
    assert "PRIVATE" not in ran.out


def test_without_a_key_there_is_no_identity(bare: Site, edged: Callable[..., Ran]) -> None:
    ran = edged("gallery", "identity", "-c", bare.config)
    assert ran.code != 0
    assert "edged gallery init" in ran.err
