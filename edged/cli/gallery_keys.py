"""``edged gallery rekey | backup | restore | verify | wipe``: keys, copies and the end."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage, add_config, add_json
from edged.config.load import load
from edged.errors import GalleryError, KeyUnavailable, StorageError, WrongKey
from edged.gallery.store import make_gallery
from edged.gallery.wipe import marker
from edged.vault.keys import load_key, read_private

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.gallery.store import Gallery

_LARGEST_PEM = 10_000
_MAKE_IDENTITY = "make one with `openssl genpkey -algorithm X25519 -out FILE`"


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""

    def action(
        name: str, run: Callable[[argparse.Namespace, Output], int], text: str
    ) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(name, help=text)
        add_config(made, required=True)
        add_json(made)
        made.set_defaults(run=run)
        return made

    made = action("rekey", rekey, "new keys for everything; nobody is enrolled again")
    made.add_argument(
        "--new-key", type=Path, metavar="FILE", help="also another key of the terminal"
    )
    made = action("backup", backup, "write everybody to a file that only its recipients can read")
    made.add_argument("out", type=Path, metavar="OUT")
    made.add_argument(
        "--to", type=Path, metavar="PUBLIC_KEY.pem", action="append", required=True,
        help="an X25519 public key; may be given often",
    )  # fmt: skip
    made.add_argument("--keys", type=Path, metavar="FILE", help="instead of OUT.keys")
    made = action("restore", restore, "bring a backup's people into this terminal")
    made.add_argument("out", type=Path, metavar="OUT")
    made.add_argument("--identity", type=Path, metavar="PRIVATE.pem", required=True)
    made.add_argument("--keys", type=Path, metavar="FILE", help="instead of OUT.keys")
    made.add_argument("--made-by", type=Path, metavar="PEM", help="the terminal's signing key")
    made.add_argument("--replace", action="store_true", help="those that are here are not kept")
    made = action("verify", verify, "read every page, seal and row of the gallery, and of backups")
    made.add_argument("backups", type=Path, metavar="BACKUP", nargs="*")
    made.add_argument("--identity", type=Path, metavar="PRIVATE.pem", help="to open the backups")
    made.add_argument("--keys", type=Path, metavar="FILE", help="instead of BACKUP.keys")
    made = action("wipe", wipe, "destroy the gallery, its keys first")
    made.add_argument("--yes-erase-everybody", action="store_true")


def rekey(args: argparse.Namespace, output: Output) -> int:
    """New keys for the gallery, and for the terminal if one is given."""
    from edged.service import newkey

    config = load(args.config)
    again = "the backups made so far cannot be restored any more: make a new one now"
    if args.new_key is None:
        people = newkey.rekey(config)
        output.result(
            {"rekeyed": True, "people": people},
            [f"{config.gallery.path}: new keys; {people} people as before", again],
        )
        return 0
    changed = newkey.change_key(config, args.new_key)
    lines = [f"everything has the key {changed.name} now", again]
    if changed.finished:
        lines.insert(0, "made an end of a change that was interrupted")
    lines += _where_to_put_it(config, args.new_key, changed.in_place)
    lines += [
        "the terminal is somebody else to others now (`edged gallery identity`):",
        f"sealing key {changed.identity.sealing_id}, signing key {changed.identity.signing_id}",
    ]
    output.result(
        {
            "rekeyed": True,
            "key": changed.name,
            "finished": changed.finished,
            "in_place": changed.in_place,
            "identity": changed.identity.document,
        },
        lines,
    )
    return 0


def _where_to_put_it(config: Config, new: Path, in_place: bool) -> list[str]:
    if in_place:
        return [f"{config.key.file} holds it; keep a copy elsewhere, and destroy {new}"]
    if config.key.credential is not None:
        name = config.key.credential
        encrypt = f"systemd-creds encrypt --name={name} --with-key=tpm2 {new} {name}.cred"
        return [
            f"before the terminal starts again, put it where the credential {name} comes from:",
            f"  LoadCredential: copy {new} over the file that the unit names",
            f"  LoadCredentialEncrypted: {encrypt}",
            f"then keep a copy elsewhere, and destroy {new}",
        ]
    return [f"before the terminal starts again, set {config.key.env} to what is in {new}"]


def backup(args: argparse.Namespace, output: Output) -> int:
    """Two files, sealed to those who may restore them; the terminal may run."""
    from edged.gallery.backup import backup as write
    from edged.gallery.backup import keys_of
    from edged.vault.identity import Identity

    config = load(args.config)
    to = [_recipient(path) for path in args.to]
    keys = args.keys or keys_of(args.out)
    if keys.resolve() == args.out.resolve():
        raise BadUsage("OUT and the file of keys must be two files")
    key = load_key(config.key)
    with _opened(config) as gallery:
        people = write(gallery, args.out, keys, to, Identity(key))
    output.result(
        {"people": people, "out": str(args.out), "keys": str(keys)},
        [
            f"{args.out}: {people} people",
            f"{keys}: their keys; keep only the newest one, and older backups forget who is erased",
        ],
    )
    return 0


def restore(args: argparse.Namespace, output: Output) -> int:
    """Everybody of a backup whose key is still there and who was not erased here since."""
    from edged.gallery.backup import keys_of
    from edged.gallery.restore import restore as read

    config = load(args.config)
    made_by = _public_text(args.made_by) if args.made_by else None
    identity = _identity(args.identity)
    with _opened(config) as gallery:
        if gallery.wiped is not None:
            raise StorageError(
                "the gallery was wiped; `edged gallery init` first, to say that it is meant so"
            )
        keys = args.keys or keys_of(args.out)
        done = read(gallery, args.out, keys, identity, replace=args.replace, made_by=made_by)
    lines = [
        f"{done.people} people restored, as they were at {done.made}",
        f"made by the terminal with the signing key {done.signed_by}"
        + ("" if made_by else "; --made-by checks that"),
    ]
    if done.unreadable:
        lines.append(f"{done.unreadable} cannot be read: they were erased, and their keys with it")
    if done.refused:
        lines.append(f"{done.refused} were left out: they were erased here since")
    output.result(
        {
            "people": done.people,
            "unreadable": done.unreadable,
            "refused": done.refused,
            "made": done.made,
            "signed_by": done.signed_by,
        },
        lines,
    )
    return 0


def verify(args: argparse.Namespace, output: Output) -> int:
    """Exit code 1 where anything is wrong; each line says what, and the last what to do."""
    config = load(args.config)
    if args.identity is None and args.keys is not None:
        raise BadUsage("--keys is of use with --identity only")
    identity = _identity(args.identity) if args.identity else None
    problems: list[str] = []
    lines: list[str] = []
    try:
        with _opened(config) as gallery:
            if gallery.wiped is not None:
                lines.append(f"{config.gallery.path}: wiped at {gallery.wiped.at}")
            else:
                found = gallery.verify()
                problems += found
                if not found:
                    lines.append(f"{config.gallery.path}: {len(gallery.people())} people, all well")
    except WrongKey:  # which says nothing about the gallery
        raise
    except StorageError as fault:
        problems.append(str(fault))
    for path in args.backups:
        try:
            lines.append(_verify_backup(path, args.keys, identity))
        except (StorageError, GalleryError) as fault:
            problems.append(str(fault))
    if problems:
        lines += problems
        lines.append("restore what is damaged from a backup: edged gallery restore --replace")
    output.result({"ok": not problems, "problems": problems}, lines)
    return 1 if problems else 0


def _verify_backup(path: Path, keys: Path | None, identity: X25519PrivateKey | None) -> str:
    from edged.gallery.backup import keys_of
    from edged.gallery.restore import check, measure

    if identity is None:
        to = measure(path)
        return f"{path}: whole, sealed to {' and '.join(to)}; --identity looks into it"
    found = check(path, keys or keys_of(path), identity)
    gone = f", {found.unreadable} of whom the key is gone" if found.unreadable else ""
    return f"{path}: {found.people} people as of {found.made}{gone}; signed by {found.signed_by}"


def wipe(args: argparse.Namespace, output: Output) -> int:
    """Everybody, for good; also where the key is missing. A running terminal follows at once."""
    from edged.service.wiping import wipe_from_outside

    if not args.yes_erase_everybody:
        raise BadUsage("this erases everybody for good; say so with --yes-erase-everybody")
    config = load(args.config)
    wiped = wipe_from_outside(config, "local")
    people = "" if wiped.people is None else f", {wiped.people} people"
    output.result(
        {"wiped": wiped.at, "people": wiped.people},
        [
            f"{config.gallery.path}: wiped{people}; nobody opens this door by their face any more",
            "`edged gallery init` makes a new gallery; backups are no part of this",
        ],
    )
    return 0


@contextmanager
def _opened(config: Config) -> Iterator[Gallery]:
    """The gallery, which must be there, for the length of a block."""
    settings = config.gallery
    if not any(
        path.exists() for path in (settings.path, settings.keys_path, marker(settings.path))
    ):
        raise StorageError(f"{settings.path}: there is no gallery; `edged gallery init` makes one")
    gallery = make_gallery(settings, load_key(config.key))
    gallery.open()
    try:
        yield gallery
    finally:
        gallery.close()


def _recipient(path: Path) -> X25519PublicKey:
    from edged.vault.identity import sealing_key

    try:
        return sealing_key(_public_text(path))
    except KeyUnavailable as fault:
        raise KeyUnavailable(f"{path}: {fault}") from fault


def _public_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_PEM).decode(errors="replace")
    except OSError as fault:
        raise KeyUnavailable(f"{path}: {fault.strerror}; give a public key in PEM form") from fault


def _identity(path: Path) -> X25519PrivateKey:
    from edged.gallery.restore import read_identity

    what = f"private key {path}"
    return read_identity(read_private(path, what, _MAKE_IDENTITY), what)
