"""A bundle that comes over MQTT in pieces, and is in force after a restart."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.bundle.store import names
from edged.config.load import parse
from edged.errors import BundleError, DiskFull
from edged.mqtt.catalogue import Context, InstallModel, ModelChunk
from edged.resources import shared
from edged.service import incoming as incoming_module
from edged.service.incoming import Incoming, joined
from edged.service.model_orders import FOLDER, ModelOrders
from edged.service.unpack import unpack
from edged.site.model_push import CHUNK_BYTES, chunks, digest_of, pack
from tests.service.bundles import NAME, derived
from tests.service.kit import wait
from tests.service.manager import allowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from edged.mqtt.catalogue import Reply
    from tests.service.kit import Door

MODEL = {"store": "store", "allow_unsigned": [NAME]}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped recogniser, turned, as a later version."""
    folder = tmp_path_factory.mktemp("made")
    derived(folder / "bundle", name=NAME, version="9.0.0")
    path = folder / "bundle.tar.gz"
    pack(folder / "bundle", path)
    return path


def test_a_pushed_bundle_is_in_force_after_a_restart_and_gone_after_a_rollback(
    open_door: Callable[..., Door], archive: Path
) -> None:
    door = open_door(mqtt=allowed(), model=MODEL)
    shipped = door.site.state["model"]
    sha256 = digest_of(archive)
    pieces = list(chunks(archive, sha256))
    assert len(pieces) > 10
    for piece in pieces[:3]:
        assert door.site.command("model.chunk", **piece)["result"] == "ok"
    reply = door.site.command("model.install", sha256=sha256)
    assert (reply["result"], reply["reason"]) == ("refused", "incomplete")
    missing = [tuple(span) for span in reply["data"]["missing"]]
    assert missing == [(3 * CHUNK_BYTES, archive.stat().st_size)]
    for piece in reversed(list(chunks(archive, sha256, missing))):  # the order does not matter
        reply = door.site.command("model.chunk", **piece)
        assert reply["result"] == "ok", reply
    assert reply["data"]["complete"]
    assert reply["data"]["missing"] == []

    reply = door.site.command("model.install", sha256=sha256)
    assert (reply["result"], reply["reason"]) == ("ok", "started")
    # the door works on meanwhile
    assert door.site.command("door.unlock", duration_s=0.5)["result"] == "ok"
    installed = door.site.event("model.installed")["data"]
    assert installed["command"] == reply["id"]
    assert installed["identity"].startswith(f"{NAME}@9.0.0#")
    assert (installed["before"], installed["used"]) == (shipped, True)
    assert door.site.state["model"] == shipped  # until it begins anew
    assert names(door.terminal.folder / "store") == [NAME]
    assert not (door.terminal.folder / "store" / FOLDER).exists()

    door.site.command("restart")
    wait(lambda: door.site.state["model"] == installed["identity"])

    assert door.site.command("model.rollback")["reason"] == "started"
    back = door.site.event("model.installed", action="rollback")["data"]
    assert (back["identity"], back["before"]) == (shipped, installed["identity"])
    seq = door.site.seq
    door.site.command("model.rollback")
    failed = door.site.event("model.install_failed", after=seq)["data"]
    assert (failed["action"], failed["reason"]) == ("rollback", "bundle")


class Journal:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, dict[str, Any]]] = []

    def record(self, type: str, **data: Any) -> None:  # noqa: A002
        self.recorded.append((type, data))


class Desk:
    """The orders without a daemon."""

    def __init__(self, folder: Path) -> None:
        text = (
            "site: hq\nterminal: door-1\ncamera: {driver: replay, source: x}\nkey: {env: KEY}\n"
            f"door: {{driver: simulated}}\nmodel: {{store: {folder}/store}}\n"
        )
        self.journal = Journal()
        self.orders = ModelOrders(parse(text), self.journal)  # type: ignore[arg-type]
        self.folder = folder / "store" / FOLDER

    def chunk(self, data: bytes, offset: int, size: int, sha256: str = "a" * 64) -> Reply:
        text = base64.b64encode(data).decode()
        args = ModelChunk(sha256=sha256, size=size, offset=offset, data=text)
        return self.orders.handlers()["model.chunk"](args, CONTEXT)

    def install(self, sha256: str) -> Reply:
        return self.orders.handlers()["model.install"](InstallModel(sha256=sha256), CONTEXT)

    def sent(self, archive: bytes) -> tuple[str, dict[str, Any]]:
        """Send an archive whole, install it, and see how that ended."""
        sha256 = hashlib.sha256(archive).hexdigest()
        assert self.chunk(archive, 0, len(archive), sha256).data["complete"]
        assert self.install(sha256).reason == "started"
        self.orders.close()
        return self.journal.recorded[-1]


CONTEXT = Context("model.chunk", "12345678", "site")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_came_before_a_restart_need_not_come_again(desk: Desk, tmp_path: Path) -> None:
    desk.chunk(b"abc", 0, 10)
    again = Desk(tmp_path)
    assert again.orders.arriving() == desk.orders.arriving()
    reply = again.chunk(b"hij", 7, 10)
    assert reply.data["missing"] == [[3, 7]]
    assert again.chunk(b"defg", 3, 10).data["complete"]
    assert (again.folder / f"{'a' * 64}.part").read_bytes() == b"abcdefghij"


def test_one_archive_at_a_time(desk: Desk) -> None:
    desk.chunk(b"abc", 0, 10)
    reply = desk.chunk(b"xyz", 3, 10, "b" * 64)
    assert (reply.result, reply.reason) == ("refused", "another_archive")
    assert desk.chunk(b"xyz", 0, 10, "b" * 64).result == "ok"
    assert [path.name[:1] for path in desk.folder.iterdir()] == ["b", "b"]


@pytest.mark.parametrize(
    ("data", "offset", "size"), [(b"abc", 8, 10), (b"abc", 10**12, 10), (b"abc", 0, 2)]
)
def test_a_piece_beyond_the_end_is_refused(desk: Desk, data: bytes, offset: int, size: int) -> None:
    assert desk.chunk(data, offset, size).reason == "bad_args"
    desk.chunk(b"abc", 0, 10)
    assert desk.chunk(b"abc", 8, 10).reason == "bad_args"
    assert desk.chunk(b"abc", 3, 11).reason == "bad_args"
    assert desk.orders.arriving() == desk.chunk(b"abc", 0, 10).data


def test_pieces_that_lie_apart_are_not_counted_for_ever(desk: Desk) -> None:
    replies = [desk.chunk(b"x", 2 * n, 10_000) for n in range(300)]
    assert {reply.reason for reply in replies} == {"done", "bad_args"}
    assert len(replies[-1].data["missing"]) <= 16


def test_what_is_no_base64_is_refused(desk: Desk) -> None:
    args = ModelChunk(sha256="a" * 64, size=10, offset=0, data="?!")
    assert desk.orders.handlers()["model.chunk"](args, CONTEXT).reason == "bad_args"


def test_there_must_be_room_before_anything_comes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=100 << 20)
    monkeypatch.setattr(incoming_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match="make room"):
        desk.chunk(b"x", 0, 50 << 20)
    assert desk.chunk(b"x", 0, 10 << 20).result == "ok"


def test_who_tidied_up_under_way_makes_it_begin_again(desk: Desk) -> None:
    desk.chunk(b"abc", 0, 10)
    shutil.rmtree(desk.folder)
    with pytest.raises(Exception, match="No such file"):
        desk.chunk(b"def", 3, 10)
    assert desk.chunk(b"abc", 0, 10).data["received"] == 3


def test_an_archive_that_is_not_here_is_not_installed(desk: Desk) -> None:
    assert desk.install("b" * 64).reason == "no_archive"
    desk.chunk(b"abc", 0, 10)
    assert desk.install("b" * 64).reason == "no_archive"
    assert desk.install("a" * 64).reason == "incomplete"


def test_bytes_that_are_not_those_announced_are_thrown_away(desk: Desk) -> None:
    desk.chunk(b"0123456789", 0, 10)
    assert desk.install("a" * 64).reason == "started"
    desk.orders.close()
    kind, data = desk.journal.recorded[-1]
    assert (kind, data["reason"]) == ("model.install_failed", "bundle")
    assert "digest" in data["text"]
    assert desk.orders.arriving() is None


def tar(*members: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                made.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
    return out.getvalue()


def special(kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo("model.onnx")
    info.type, info.linkname = kind, target
    return info


def lying() -> bytes:
    """A header for a name of 400 MB."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 400 << 20
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * (8 << 20))


HOSTILE = {
    "garbage": b"garbage",
    "empty": gzip.compress(b""),
    "cut": tar(("manifest.yaml", b"name: x"))[:40],
    "no manifest": tar(("readme", b"")),
    "outside": tar(("../../evil", b"x"), ("manifest.yaml", b"")),
    "link": tar(("", special(tarfile.SYMTYPE)), ("manifest.yaml", b"")),
    "hard link": tar(("", special(tarfile.LNKTYPE)), ("manifest.yaml", b"")),
    "device": tar(("", special(tarfile.CHRTYPE)), ("manifest.yaml", b"")),
    "pipe": tar(("", special(tarfile.FIFOTYPE)), ("manifest.yaml", b"")),
    "twice": tar(("manifest.yaml", b"1"), ("./manifest.yaml", b"2")),
    "many": tar(*((f"file-{n}", b"") for n in range(100)), ("manifest.yaml", b"")),
    "lying header": lying(),
    "no bundle": tar(("manifest.yaml", b"[]")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_not_installed_and_leaves_nothing_behind(
    desk: Desk, name: str, tmp_path: Path
) -> None:
    kind, data = desk.sent(HOSTILE[name])
    assert (kind, data["reason"]) == ("model.install_failed", "bundle"), data
    assert not (desk.folder / "unpacked").exists()
    assert names(tmp_path / "store") == []
    assert not list(tmp_path.rglob("evil"))


def test_an_absolute_name_stays_within(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar(("/manifest.yaml", b"x")))
    assert unpack(path, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out" / "manifest.yaml").read_bytes() == b"x"


def test_a_bomb_ends_before_the_disk_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.service.unpack.MOST_BYTES", 1 << 20)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar(("big", bytes(2 << 20)), ("manifest.yaml", b"")))
    with pytest.raises(BundleError, match="holds more than"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out" / "big").exists()


def test_the_site_packs_the_same_archive_each_time_and_no_links(tmp_path: Path) -> None:
    folder = shared("models") / NAME
    assert pack(folder, tmp_path / "a") == pack(folder, tmp_path / "b")
    assert (unpack(tmp_path / "a", tmp_path / "out") / "manifest.yaml").is_file()
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "link").symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="plain file"):
        pack(bad, tmp_path / "c")
    with pytest.raises(BundleError, match="cannot be"):
        digest_of(tmp_path / "nothing")


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=30))
def test_spans_are_the_bytes_that_came(pieces: list[tuple[int, int]]) -> None:
    spans: tuple[tuple[int, int], ...] = ()
    there: set[int] = set()
    for start, length in pieces:
        spans = joined(spans, (start, start + length))
        there |= set(range(start, start + length))
    assert {byte for start, end in spans for byte in range(start, end)} == there
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize(
    "note",
    ["", "{", "[]", '{"size": 10}', '{"size": 10, "spans": [[5, 2]]}', '{"size": 3, "spans": 7}'],
)
def test_a_damaged_note_begins_anew(tmp_path: Path, note: str) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "aa.part").touch()
    (folder / "aa.json").write_text(note)
    assert Incoming(folder).part() is None
