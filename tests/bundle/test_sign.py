"""Only the key that signed a manifest, and only this manifest."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_decode, base64url_encode

from edged.bundle.load import load_bundle
from edged.bundle.sign import (
    DRAFT_NAME,
    create_keys,
    key_id,
    make_signature,
    read_private_key,
    read_public_key,
    signer,
    write_signature,
)
from edged.config.schema import CommandKey, Commands
from edged.errors import BundleError, KeyUnavailable
from edged.mqtt.auth import Keyring, Refusal
from edged.mqtt.sign import sign_command

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
MANIFEST = b"schema: 1\nkind: recogniser\n"
SIGNATURE = make_signature(MANIFEST, KEY).encode()


def signed(payload: bytes = MANIFEST, **changes: object) -> bytes:
    """A JWS by the right key whose header is not quite right."""
    kid = key_id(KEY.public_key())
    header = {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": kid}
    header |= {"typ": "edged-bundle+jws"} | changes
    first = base64url_encode(
        json.dumps({k: v for k, v in header.items() if v is not None}).encode()
    )
    detached = header["b64"] is False
    middle = payload if detached else base64url_encode(payload)
    tail = base64url_encode(KEY.sign(first + b"." + middle))
    return first + b"." + (b"" if detached else middle) + b"." + tail


def test_a_signature_names_its_key_by_the_key_s_thumbprint():
    assert signer(SIGNATURE, MANIFEST, KEYS) == key_id(KEY.public_key())
    # RFC 8037, appendix A.3
    public = base64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    known = Ed25519PublicKey.from_public_bytes(public)
    assert key_id(known) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_same_manifest_has_the_same_signature():
    assert make_signature(MANIFEST, KEY).encode() == SIGNATURE


@given(st.data())
def test_no_altered_bit_passes(data):
    content, other = bytearray(MANIFEST), bytearray(SIGNATURE.strip())
    spoilt = data.draw(st.sampled_from([content, other]))
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    with pytest.raises(BundleError):
        signer(bytes(other), bytes(content), KEYS)


@given(st.binary(max_size=300))
def test_no_garbage_passes_or_raises_anything_else(content):
    with pytest.raises(BundleError):
        signer(content, MANIFEST, KEYS)


@given(st.integers(0, len(SIGNATURE) - 2))
def test_a_cut_signature_is_refused(length):
    with pytest.raises(BundleError, match=r"holds no signature|altered or cut"):
        signer(SIGNATURE[:length], MANIFEST, KEYS)


def test_a_key_that_is_not_trusted_is_named():
    other = Ed25519PrivateKey.generate()
    with pytest.raises(BundleError, match=f"not trusted here .{key_id(other.public_key())}"):
        signer(make_signature(MANIFEST, other).encode(), MANIFEST, KEYS)


def test_another_key_under_a_trusted_key_s_id_is_refused():
    other = Ed25519PrivateKey.generate()
    header, _, _ = SIGNATURE.split(b".")
    tail = base64url_encode(other.sign(header + b"." + MANIFEST))
    with pytest.raises(BundleError, match="does not belong to this manifest"):
        signer(header + b".." + tail, MANIFEST, KEYS)


def test_the_signature_of_another_manifest_is_refused():
    with pytest.raises(BundleError, match="does not belong to this manifest"):
        signer(SIGNATURE, MANIFEST + b"\n", KEYS)


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": None},
        {"typ": "JWT"},
        {"crit": None},
        {"crit": ["b64", "exp"]},
        {"b64": True},
        {"b64": None},
        {"b64": 0},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"kid": None},
        {"kid": "../../etc/passwd"},
        {"kid": ["a"]},
        {"jwk": {"kty": "OKP"}},
        {"x5u": "http://example.org"},
    ],
)
def test_another_header_is_refused_although_the_signature_fits_it(changes):
    assert signer(signed(), MANIFEST, KEYS)  # the helper makes good ones too
    with pytest.raises(BundleError, match="holds no signature of a bundle"):
        signer(signed(**changes), MANIFEST, KEYS)


def test_a_public_key_is_no_shared_secret():
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(jwt.InvalidKeyError):  # PyJWT would not make one
        jwt.PyJWS().encode(MANIFEST, pem, "HS256", is_payload_detached=True)


def test_a_signature_too_large_to_be_one_is_refused():
    with pytest.raises(BundleError, match="holds no signature"):
        signer(SIGNATURE.strip() + b" " * 5000, MANIFEST, KEYS)


def test_a_command_never_passes_as_a_bundle_nor_a_bundle_as_a_command(key):
    private = key.read_text()
    public = read_public_key(key.with_name("signing.pem.pub"))
    kid = key_id(public)
    command = sign_command(private, kid, "hq/door", "door.unlock", {}).encode()
    with pytest.raises(BundleError, match="holds no signature of a bundle"):
        signer(command, base64url_decode(command.split(b".")[1]), {kid: public})
    pem = key.with_name("signing.pem.pub").read_text()
    ring = Keyring(Commands(keys=[CommandKey(id=kid, public_key=pem, roles=["operator"])]))
    assert not isinstance(ring.open(command), Refusal)
    payload = base64url_decode(command.split(b".")[1])
    bundle = make_signature(payload, read_private_key(key)).strip().encode()
    head, _, tail = bundle.split(b".")
    for token in bundle, head + b"." + base64url_encode(payload) + b"." + tail:
        answer = ring.open(token)
        assert isinstance(answer, Refusal)
        assert answer.reason == "malformed"


def test_keys_are_made_once_and_the_private_one_is_ours_alone(tmp_path):
    public, kid = create_keys(tmp_path / "a.pem")
    assert stat.S_IMODE((tmp_path / "a.pem").stat().st_mode) == 0o600
    assert key_id(read_public_key(public)) == kid
    assert key_id(read_private_key(tmp_path / "a.pem").public_key()) == kid
    before = (tmp_path / "a.pem").read_bytes(), public.read_bytes()
    with pytest.raises(KeyUnavailable, match="exists already"):
        create_keys(tmp_path / "a.pem")
    (tmp_path / "a.pem").rename(tmp_path / "b.pem")
    with pytest.raises(KeyUnavailable, match="exists already"):  # its public key is still there
        create_keys(tmp_path / "a.pem")
    assert ((tmp_path / "b.pem").read_bytes(), public.read_bytes()) == before
    assert not (tmp_path / "a.pem").exists()
    with pytest.raises(KeyUnavailable, match="cannot be written"):
        create_keys(tmp_path / "absent" / "a.pem")


def test_a_private_key_that_others_can_read_is_refused(key):
    key.chmod(0o640)
    with pytest.raises(KeyUnavailable, match=r"can be reached by others .mode 0640.; run chmod"):
        read_private_key(key)


def test_what_is_no_private_key_is_refused_and_not_repeated(key, tmp_path):
    with pytest.raises(KeyUnavailable, match="does not exist; make one with `edged model keygen`"):
        read_private_key(tmp_path / "absent")
    for content in b"", b"c0ffee", key.with_name("signing.pem.pub").read_bytes():
        key.write_bytes(content)
        with pytest.raises(KeyUnavailable, match="is no Ed25519 private key") as fault:
            read_private_key(key)
        assert fault.value.__cause__ is None
        assert "c0ffee" not in str(fault.value)


def test_what_is_no_public_key_is_refused_and_not_repeated(key, tmp_path):
    with pytest.raises(BundleError, match="cannot be read"):
        read_public_key(tmp_path / "absent")
    with pytest.raises(BundleError, match="not a public key in PEM form") as fault:
        read_public_key(key)  # the private one, by mistake
    assert "PRIVATE" not in str(fault.value)


def test_signing_again_replaces_the_signature(written, key, tmp_path):
    path = write_signature(written.folder, read_private_key(key))
    create_keys(tmp_path / "next.pem")
    before = path.read_text()
    write_signature(written.folder, read_private_key(tmp_path / "next.pem"))
    assert path.read_text() != before
    assert {p.name for p in written.folder.iterdir()} == {
        "README.md", "manifest.yaml", "manifest.sig", "model.onnx"
    }  # fmt: skip


def test_a_folder_is_no_key_and_a_name_too_long_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ".", "/", "..":
        with pytest.raises(KeyUnavailable, match="is a folder; give the name of a file in it"):
            create_keys(Path(name))
    with pytest.raises(KeyUnavailable, match="cannot be written: File name too long"):
        create_keys(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    ("read", "fault"), [(read_public_key, BundleError), (read_private_key, KeyUnavailable)]
)
def test_a_pipe_in_place_of_a_key_is_refused_and_not_waited_for(tmp_path, read, fault):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(fault, match="not a plain file"):
        read(tmp_path / "pipe")


def test_signing_needs_no_more_than_the_bundle_s_own_folder(written, key, tmp_path):
    secret = read_private_key(key)
    other = tmp_path / "other"
    other.write_text("mine")
    (written.folder / DRAFT_NAME).symlink_to(other)  # a signing that was cut off, at its worst
    load_bundle(written.folder)
    tmp_path.chmod(0o555)
    made = set(tmp_path.iterdir())
    seen = tmp_path.stat().st_mtime_ns
    write_signature(written.folder, secret)
    assert (set(tmp_path.iterdir()), tmp_path.stat().st_mtime_ns) == (made, seen)
    tmp_path.chmod(0o755)
    assert other.read_text() == "mine"
    assert not (written.folder / DRAFT_NAME).is_symlink()
    load_bundle(written.folder)
