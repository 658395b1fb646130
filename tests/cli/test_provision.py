from __future__ import annotations

import datetime as dt
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from edged.config.load import load
from edged.site import authority, papers
from edged.site.keys import make_key, read_signing
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.site.kit import Edged, Office, Ran, bare_terminal

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime.now(dt.UTC)


class World:
    """A terminal's folder and a site with an authority; no broker is needed."""

    def __init__(self, folder: Path, edged: Edged) -> None:
        self.edged = edged
        (folder / "office").mkdir()
        self.office = Office(folder / "office", edged)
        self.office.authority()
        self.office.set_up(8883)
        self.door = bare_terminal(folder / "door")
        self.config = self.door.config
        self.folder = self.door.folder
        self.request_file = folder / "request.json"

    def ask(self, *more: object) -> Ran:
        argv = ["--tls", "-o", self.request_file, "-c", self.config, "--json", *more]
        return self.edged("provision", "request", *argv)

    def answer(self, *more: object) -> Ran:
        return self.office.answer(
            self.request_file, "--authority", self.office.folder / "ca", *more
        )

    @property
    def permit(self) -> Path:
        return self.office.folder / "permit.json"

    def apply(self, fingerprint: str, *more: object) -> Ran:
        given = ["--fingerprint", fingerprint, "-c", self.config, "--json", *more]
        return self.edged("provision", "apply", self.permit, *given)

    def exchange(self) -> str:
        """Request and permit; the permit's fingerprint."""
        assert self.ask().code == 0
        ran = self.answer()
        assert ran.code == 0, ran.err
        return str(ran.json["fingerprint"])

    def forge(self, **changes: Any) -> str:
        """Another permit by the same office; its fingerprint."""
        permit, _ = papers.read_permit(self.permit.read_text())
        document = permit.model_dump(mode="json")
        for name, value in changes.items():
            old = document[name]
            document[name] = {**old, **value} if isinstance(old, dict) else value
        key = read_signing(self.office.folder / "office.key")
        made = papers.make_permit(papers.Permit.model_validate(document), key)
        self.permit.write_text(json.dumps(made))
        return papers.read_permit(self.permit.read_text())[1]


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path, Edged(capsys))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# what the terminal asks


def test_a_request_makes_the_missing_keys_and_shows_no_private_one(world: World) -> None:
    (world.folder / "secret.key").unlink()
    ran = world.ask("--qr")
    assert ran.code == 0
    assert [str(world.folder / "secret.key"), str(world.folder / "tls" / "client.key")] == ran.json[
        "made"
    ]
    assert mode(world.folder / "secret.key") == mode(world.folder / "tls" / "client.key") == 0o600
    assert "PRIVATE" not in ran.out + world.request_file.read_text()
    assert (world.folder / "secret.key").read_text().strip() not in ran.out


def test_the_same_terminal_asks_the_same_again(world: World) -> None:
    first = world.ask().json
    keys = (world.folder / "tls" / "client.key").read_bytes()
    second = world.ask().json
    assert second["made"] == []
    assert second["fingerprint"] == first["fingerprint"]
    assert (world.folder / "tls" / "client.key").read_bytes() == keys


def test_the_csr_asks_for_the_client_id_and_names_the_terminal(world: World) -> None:
    csr = x509.load_pem_x509_csr(world.ask().json["request"]["csr"].encode())
    assert [one.value for one in csr.subject] == ["edged-hq-door-1"]
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:edged:hq:door-1"]
    assert isinstance(csr.public_key().curve, ec.SECP256R1)


def test_the_qr_code_says_the_same_as_the_file_and_fits_a_screen(
    world: World, tmp_path: Path
) -> None:
    asked = world.ask("--qr-file", tmp_path / "code.svg").json
    assert (tmp_path / "code.svg").stat().st_size > 1000
    text = asked["qr"]
    scanned = papers.read_request(f"  {text[:100]}\n{text[100:].lower()}\n")
    assert papers.fingerprint(scanned) == asked["fingerprint"]
    from edged.cli.provision import code_of

    columns = code_of(text).symbol_size(border=2)[0]
    assert columns <= 80
    shown = world.edged("provision", "request", "--tls", "--qr", "-c", world.config)
    assert max(map(len, shown.out.splitlines()[:20])) == columns


def test_the_longest_names_still_make_a_code(world: World) -> None:
    identity, key = Identity(Secret(b"k" * 32)), make_key("tls")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = papers.make_request(identity, "s" * 28, "t" * 28, "c" * 64, key)
    from edged.cli.provision import code_of

    text = papers.qr_text(made, "other")
    assert code_of(text).symbol_size(border=2)[0] <= 80
    assert papers.read_request(text).client_id == "c" * 64


def test_a_client_id_that_no_certificate_can_name_is_told(world: World) -> None:
    settings = yaml.safe_load(world.config.read_text()) | {"terminal": "t" * 60}
    world.config.write_text(yaml.safe_dump(settings))
    ran = world.ask()
    assert ran.code != 0
    assert "client_id" in ran.out


def test_a_key_that_others_can_read_is_not_used_and_not_replaced(world: World) -> None:
    world.ask()
    key = world.folder / "tls" / "client.key"
    key.chmod(0o644)
    before = key.read_bytes()
    assert world.ask().code == 2
    assert key.read_bytes() == before


def test_a_link_in_the_place_of_the_key_is_refused(world: World, tmp_path: Path) -> None:
    (world.folder / "tls").mkdir()
    (world.folder / "tls" / "client.key").symlink_to(tmp_path / "elsewhere")
    assert world.ask().code == 1
    assert not (tmp_path / "elsewhere").exists()


def test_what_root_makes_for_the_service_belongs_to_the_service(world: World) -> None:
    """As the folder does; and root can use it the next time."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(world.folder, 12345, 12345)
    fingerprint = world.exchange()
    assert world.apply(fingerprint, "--write").code == 0
    made = [world.folder / "tls", *(world.folder / "tls").iterdir()]
    assert {path.stat().st_uid for path in made} == {12345}
    assert world.ask().code == 0


def test_a_key_that_systemd_hands_over_will_do(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = yaml.safe_load(world.config.read_text()) | {"key": {"credential": "secret.key"}}
    world.config.write_text(yaml.safe_dump(settings))
    assert world.ask().code != 0
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(world.folder))
    assert world.ask().code == 0


# what the site says to it


def altered(document: dict[str, Any], **changes: Any) -> str:
    return json.dumps({**document, "request": {**document["request"], **changes}})


@pytest.mark.parametrize(
    "change",
    [
        {"terminal": "door-2"},
        {"site": "other"},
        {"client_id": "somebody"},
        {"tls": None},
        {"sealing": "A" * 43},
        {"signing": "A" * 43},
        {"v": 2},
        {"more": 1},
        {"signing": "short"},
        {"terminal": "../../etc"},
        {"tls": "A" * 44},
    ],
)
def test_an_altered_request_is_refused(world: World, change: dict[str, Any]) -> None:
    document = world.ask().json["request"]
    world.request_file.write_text(altered(document, **change))
    ran = world.answer()
    assert ran.code == 1, ran.out
    assert not world.permit.exists()
    assert not (world.office.folder / "terminals").exists()


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff\xfe", b"[" * 50_000, b'{"request": 1, "proof": 2}',
                b"EDGED1:", b"EDGED1:AAAA", b"EDGED1:" + b"A" * 20_000, b'{"a": 1, "a": 2}']
)  # fmt: skip
def test_garbage_is_no_request(world: World, content: bytes) -> None:
    world.request_file.write_bytes(content)
    assert world.answer().code == 1


def test_a_huge_file_is_not_read(world: World) -> None:
    with world.request_file.open("wb") as file:
        file.truncate(100_000_000)
    ran = world.answer()
    assert ran.code == 1
    assert "has more than" in ran.out


def test_a_pipe_is_no_request_and_hangs_nobody(world: World) -> None:
    os.mkfifo(world.request_file)
    assert world.answer().code == 1


def csr(key: Any, *names: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_csr_with_another_name_key_or_a_weak_one_is_refused(world: World) -> None:
    document = world.ask().json["request"]
    ours = authority.read_tls(world.folder / "tls" / "client.key")
    for made, why in (
        (csr(ours, "somebody"), "another name"),
        (csr(ours, "edged-hq-door-1", "admin"), "another name"),
        (csr(make_key("tls"), "edged-hq-door-1"), "another key"),
        (csr(rsa.generate_private_key(65537, 1024), "edged-hq-door-1"), "P-256"),
        (csr(ec.generate_private_key(ec.SECP192R1()), "edged-hq-door-1"), "P-256"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END", "cannot be read"),
        (document["csr"].replace("MII", "MIJ", 1), "CSR"),
    ):
        world.request_file.write_text(json.dumps({**document, "csr": made}))
        ran = world.answer()
        assert ran.code == 1, why
        assert why in ran.out


def test_the_fingerprint_that_was_read_out_counts(world: World) -> None:
    shown = world.ask().json["fingerprint"]
    assert world.answer("--fingerprint", "AAAA-BBBB-CCCC-DDDD").code == 1
    assert world.answer("--fingerprint", shown.lower().replace("-", " ")).code == 0


def test_the_site_remembers_the_identity_and_takes_no_other_by_that_name(world: World) -> None:
    world.exchange()
    known = json.loads((world.office.folder / "terminals" / "door-1.json").read_text())
    identity = world.edged("gallery", "identity", "-c", world.config, "--json").json
    assert known["signing"]["public_key"] == identity["signing"]["public_key"]
    alone = world.office.folder / "terminals" / "door-1.pem"
    assert alone.read_text() == identity["signing"]["public_key"]
    (world.folder / "secret.key").write_text("ab" * 16 + "cd" * 16)
    assert world.ask().code == 0
    ran = world.answer()
    assert ran.code == 1
    assert "--replace-identity" in ran.out
    assert world.answer("--replace-identity").code == 0


def test_a_private_key_is_never_sent_to_a_terminal(world: World) -> None:
    world.ask()
    private = world.office.folder / "office.key"
    ran = world.answer("--command-key", f"other:operator:{private}")
    assert ran.code == 1
    assert not world.permit.exists()


@pytest.mark.parametrize("text", ["office", "office:operator", "office:emperor:office.key.pub"])
def test_a_command_key_has_an_id_roles_and_a_file(world: World, text: str) -> None:
    world.ask()
    text = text.replace("office.key.pub", str(world.office.folder / "office.key.pub"))
    ran = world.answer("--command-key", text)
    assert ran.code != 0
    assert not world.permit.exists()


# what the terminal takes


def test_a_permit_is_taken_and_the_configuration_says_so(world: World) -> None:
    world.config.write_text(f"# ours\n{world.config.read_text()}# the end")
    before = world.config.read_text()
    fingerprint = world.exchange()
    ran = world.apply(fingerprint, "--write")
    assert ran.code == 0, ran.out
    assert world.config.read_text().startswith(before)
    assert world.config.with_name("edged.yaml.before-provision").read_text() == before
    config = load(world.config)
    assert config.mqtt is not None
    assert config.mqtt.tls is not None
    assert config.mqtt.commands.keys[0].roles == {"operator", "enroller", "maintainer", "auditor"}
    assert mode(world.folder / "tls" / "client.pem") == 0o644
    assert world.edged("check", "-c", world.config).code == 0


def test_without_write_it_is_printed_to_be_pasted(world: World) -> None:
    fingerprint = world.exchange()
    before = world.config.read_text()
    ran = world.edged(
        "provision", "apply", world.permit, "--fingerprint", fingerprint, "-c", world.config
    )
    assert world.config.read_text() == before
    pasted = ran.out[ran.out.index("mqtt:") :]
    world.config.write_text(f"{before}\n{pasted}")
    assert load(world.config).mqtt is not None


def test_a_renewal_takes_a_new_certificate_for_the_same_key(world: World) -> None:
    assert world.apply(world.exchange(), "--write").code == 0
    key = (world.folder / "tls" / "client.key").read_bytes()
    first = (world.folder / "tls" / "client.pem").read_bytes()
    written = world.config.read_text()
    ran = world.apply(world.exchange(), "--write")
    assert ran.code == 0, ran.out
    assert (world.folder / "tls" / "client.pem").read_bytes() != first
    assert (world.folder / "tls" / "client.key").read_bytes() == key
    assert world.config.read_text() == written
    assert world.edged("check", "-c", world.config).code == 0


def untouched(world: World) -> bool:
    folder = world.folder / "tls"
    return {path.name for path in folder.iterdir()} <= {"client.key"} and not load(
        world.config
    ).mqtt


def test_a_wrong_fingerprint_changes_nothing(world: World) -> None:
    real = world.exchange()
    for given in ("", "AAAA-AAAA-AAAA-AAAA", real[:-1], "ß" * 16):
        ran = world.apply(given, "--write")
        assert ran.code == 1
        assert untouched(world)


def test_one_of_another_office_is_known_by_its_fingerprint(world: World) -> None:
    """Whoever carries the file may sign one of their own, but cannot change what is read out."""
    real = world.exchange()
    document = json.loads(world.permit.read_text())
    permit, _ = papers.read_permit(world.permit.read_text())
    key = make_key("signing")
    forged = papers.make_permit(permit, key)  # type: ignore[arg-type]
    assert forged["permit"] == document["permit"]
    world.permit.write_text(json.dumps(forged))
    assert world.apply(real, "--write").code == 1
    assert untouched(world)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"terminal": "door-2"}, "is for hq/door-2"),
        ({"site": "other"}, "is for other/door-1"),
        ({"signing": "A" * 43}, "another key"),
        ({"answers": "AAAA-AAAA-AAAA-AAAA"}, "another request"),
        ({"until": "2020-01-01T00:00:00Z"}, "is good from"),
        ({"made": "2099-01-01T00:00:00Z", "until": "2099-02-01T00:00:00Z"}, "is good from"),
        ({"broker": {"client_id": "somebody"}}, "another name"),
        ({"tls": {"certificate": "nothing"}}, "no certificate"),
        ({"tls": {"ca": "nothing"}}, "no certificate"),
        ({"broker": {"prefix": "a/#"}}, "prefix"),
        ({"site_key": "nothing", "sync": True}, "site_key"),
        ({"keys": [{"id": "k", "roles": ["operator"],
                    "public_key": "-----BEGIN PUBLIC KEY-----\nAAAA"}]}, "keys"),
    ],
)  # fmt: skip
def test_a_permit_that_is_not_for_here_and_now_changes_nothing(
    world: World, changes: dict[str, Any], why: str
) -> None:
    world.exchange()
    ran = world.apply(world.forge(**changes), "--write")
    assert ran.code == 1, ran.out
    assert why in ran.out
    assert untouched(world)


def issued(world: World, public: Any, days: int, now: dt.datetime = NOW) -> str:
    ca = authority.Authority.load(world.office.folder / "ca")
    made = ca.issue_client(public, "edged-hq-door-1", now, days)
    return made.public_bytes(Encoding.PEM).decode()


def test_a_certificate_that_is_expired_or_for_another_key_changes_nothing(world: World) -> None:
    world.exchange()
    ours = authority.read_tls(world.folder / "tls" / "client.key").public_key()
    theirs = make_key("tls").public_key()
    for certificate, why in (
        (issued(world, theirs, 30), "another key"),
        (issued(world, ours, 30, NOW - dt.timedelta(days=60)), "valid from"),
        (issued(world, ours, 30, NOW + dt.timedelta(days=60)), "valid from"),
    ):
        ran = world.apply(world.forge(tls={"certificate": certificate}), "--write")
        assert ran.code == 1
        assert why in ran.out
        assert untouched(world)


def test_a_certificate_of_another_authority_changes_nothing(world: World, tmp_path: Path) -> None:
    world.exchange()
    other = authority.Authority.create(tmp_path / "other", "other", NOW)
    ran = world.apply(world.forge(tls={"ca": other.pem}), "--write")
    assert ran.code == 1
    assert "not by the authority" in ran.out
    assert untouched(world)


def test_an_altered_permit_is_refused_whatever_fingerprint_is_given(world: World) -> None:
    fingerprint = world.exchange()
    content = world.permit.read_text()
    world.permit.write_text(content.replace('"operator"', '"auditor"', 1))
    assert world.apply(fingerprint, "--write").code == 1
    for garbage in ("", "{}", "[" * 50_000, content[:-40]):
        world.permit.write_text(garbage)
        assert world.apply(fingerprint, "--write").code == 1
    assert untouched(world)


def test_a_huge_permit_is_not_read(world: World) -> None:
    fingerprint = world.exchange()
    with world.permit.open("wb") as file:
        file.truncate(100_000_000)
    assert world.apply(fingerprint).code == 1


def test_links_in_the_way_of_certificates_are_not_followed(world: World, tmp_path: Path) -> None:
    fingerprint = world.exchange()
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in ("ca.pem", "client.pem"):
        link = world.folder / "tls" / name
        link.symlink_to(precious)
        assert world.apply(fingerprint).code == 1
        link.unlink()
    assert precious.read_text() == "precious"


def test_a_configuration_that_cannot_be_added_to_stays_as_it_is(world: World) -> None:
    fingerprint = world.exchange()
    flow = json.dumps(yaml.safe_load(world.config.read_text()))
    world.config.write_text(flow)
    ran = world.apply(fingerprint, "--write")
    assert ran.code == 1
    assert "by hand" in ran.out
    assert world.config.read_text() == flow


def test_another_permit_over_a_part_mqtt_changes_no_certificate(world: World) -> None:
    """It may be for another broker, whose authority the old settings do not go with."""
    assert world.apply(world.exchange(), "--write").code == 0
    files = {path: path.read_bytes() for path in (world.folder / "tls").iterdir()}
    assert world.ask().code == 0
    ran = world.answer("--broker", "another.example.com")
    assert ran.code == 0, ran.err
    refused = world.apply(str(ran.json["fingerprint"]), "--write")
    assert refused.code == 1
    assert "has a part mqtt already" in refused.out
    assert {path: path.read_bytes() for path in (world.folder / "tls").iterdir()} == files


@pytest.mark.parametrize("end", ["", "\n", "\n\n# the end  \n\n"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_every_character_of_the_configuration_stays(world: World, line: str, end: str) -> None:
    text = f"# ours{line}" + world.config.read_text().rstrip().replace("\n", line)
    old = (text + end.replace("\n", line)).encode()
    world.config.write_bytes(old)
    assert world.apply(world.exchange(), "--write").code == 0
    new = world.config.read_bytes()
    assert new.startswith(old)
    assert (b"\r\n" in new) == (new.count(b"\n") == new.count(b"\r\n"))
    assert world.edged("check", "-c", world.config).code == 0


def test_root_makes_no_key_that_the_service_cannot_read(world: World) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    (world.folder / "secret.key").unlink()
    os.chown(world.folder, 12345, 12345)
    ran = world.ask()
    assert ran.code == 1
    assert "edged-as-service" in ran.out
    assert not (world.folder / "secret.key").exists()


def test_a_terminal_counts_as_known_when_all_of_it_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two files, the next time writes both."""
    assert world.ask().code == 0
    real = type(world.config).replace
    replaced: list[str] = []

    def replace(self: Path, target: Path) -> Path:
        if replaced and target.parent.name == "terminals":
            raise KeyboardInterrupt
        if target.parent.name == "terminals":
            replaced.append(target.name)
        return real(self, target)

    with monkeypatch.context() as broken:
        broken.setattr(type(world.config), "replace", replace)
        assert world.answer().code == 130
    assert world.answer().code == 0
    terminals = world.office.folder / "terminals"
    assert {path.name for path in terminals.iterdir()} == {"door-1.json", "door-1.pem"}


def test_what_is_written_appears_whole_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power goes at each of the moments when a file gets its name."""
    fingerprint = world.exchange()
    before = world.config.read_text()
    for survived in range(4):
        left = [survived]
        real = type(world.config).replace

        def replace(self: Path, target: Path, real: Any = real, left: list[int] = left) -> Path:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return real(self, target)

        with monkeypatch.context() as broken:
            broken.setattr(type(world.config), "replace", replace)
            assert world.apply(fingerprint, "--write").code == 130
        assert world.config.read_text() == before
        for name in ("ca.pem", "client.pem"):
            path = world.folder / "tls" / name
            assert not path.exists() or x509.load_pem_x509_certificate(path.read_bytes())
    assert world.apply(fingerprint, "--write").code == 0
    assert world.edged("check", "-c", world.config).code == 0
