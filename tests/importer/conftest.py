"""A network that really recognises faces, people who do not exist, and a finished import."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edged.importer import run as importer
from edged.importer.foreign import Preprocessing
from edged.importer.run import Request, run
from tests.importer import networks
from tests.importer.people import write_people

if TYPE_CHECKING:
    from pathlib import Path

    from edged.importer.run import Imported

SHIPPED_FORM = Preprocessing(scale=0.0078125)


@pytest.fixture(scope="session", autouse=True)
def _few() -> None:
    """Fewer faces for the score than a user's import takes: it is run many times here."""
    importer._SCORED = 12


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network in float, with the outputs `embedding` and `log_variance`."""
    return networks.save(networks.in_float(), tmp_path_factory.mktemp("network") / "faces.onnx")


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"))


@pytest.fixture
def request_for(tmp_path: Path, network: Path, people: Path):
    """A request for a float bundle, with whatever a test changes."""

    def make(**changes) -> Request:
        whole = Request(
            file=network,
            people=people,
            out=tmp_path / "made",
            name="made",
            version="1.0.0",
            licence="Apache-2.0",
            aligned=True,
            int8=False,
            embedding="embedding",
            uncertainty="log_variance",
            preprocessing=SHIPPED_FORM,
        )
        return replace(whole, **changes)

    return make


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory, network: Path, people: Path) -> Imported:
    """A finished float import; nothing in it may be changed."""
    out = tmp_path_factory.mktemp("imported") / "made"
    wanted = Request(
        file=network,
        people=people,
        out=out,
        name="made",
        version="1.0.0",
        licence="Apache-2.0, as its makers say",
        aligned=True,
        int8=False,
        embedding="embedding",
        uncertainty="log_variance",
        preprocessing=SHIPPED_FORM,
    )
    return run(wanted, lambda _: None)
