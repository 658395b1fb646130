"""``edged provision request | apply``: on the terminal, to become known to its site."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage, add_config, add_json
from edged.config.load import load
from edged.errors import ProvisionError
from edged.vault.files import replaced
from edged.vault.keys import create_key_file, load_key

if TYPE_CHECKING:
    import argparse

    import segno

    from edged.cli.output import Output
    from edged.config.schema import Config


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("request", help="say who this terminal is, for its site")
    action.add_argument("--tls", action="store_true", help="and ask for a client certificate")
    action.add_argument("--qr", action="store_true", help="show it as a QR code, too")
    action.add_argument(
        "--qr-file", type=Path, metavar="FILE", help="write the QR code (.svg or .png)"
    )
    action.add_argument("-o", "--out", type=Path, metavar="FILE", help="write it here")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=request)
    action = actions.add_parser("apply", help="take what the site answered")
    action.add_argument("file", type=Path, metavar="FILE", help="the site's permit")
    action.add_argument(
        "--fingerprint", required=True, metavar="XXXX-XXXX-XXXX-XXXX", help="as the site tells it"
    )
    action.add_argument(
        "--write",
        action="store_true",
        help="put the part mqtt into the configuration, where it has none",
    )
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=apply)


def request(args: argparse.Namespace, output: Output) -> int:
    """Print or write the request; keys that exist are used, those that are missing are made."""
    from edged.site.papers import fingerprint, qr_text, read_request

    config = load(args.config)
    made: list[str] = []
    if config.key.file is not None and not config.key.file.exists():
        _check_owner(config.key.file.parent)
        create_key_file(config.key.file)
        made.append(str(config.key.file))
    document, tls_made = _document(config, tls=args.tls or _has_tls(config))
    made += tls_made
    asked = read_request(json.dumps(document))
    shown = fingerprint(asked)
    lines = [f"made {path}" for path in made]
    if args.out is not None:
        _write(args.out, json.dumps(document, indent=2) + "\n")
        lines.append(f"request in {args.out}: take it to the site (`edged ctl provision`)")
    elif not args.qr:
        lines.append(json.dumps(document))
    text = qr_text(document, _default_id(config))
    if args.qr_file is not None:
        _draw(text, args.qr_file)
        lines.append(f"QR code in {args.qr_file}")
    lines += [
        f"terminal {config.site}/{config.terminal}, identity {asked.identity['signing']['id']}",
        f"fingerprint {shown}",
    ]
    if args.qr and not output.as_json:
        _show(text, output)
    output.result({"request": document, "qr": text, "fingerprint": shown, "made": made}, lines)
    return 0


def apply(args: argparse.Namespace, output: Output) -> int:
    """Check the permit whole, then write what it holds."""
    from edged.site import accept
    from edged.site.papers import read_paper, read_request

    config = load(args.config)
    files = accept.TlsFiles.of(config)
    text = read_paper(args.file)
    document, _ = _document(config, tls=files.key.exists(), make=False)
    asked = read_request(json.dumps(document))
    permit = accept.checked(text, args.fingerprint, asked, datetime.now(UTC))
    settings = accept.settings_of(permit, files)
    fits = config.mqtt is not None and _same(config, settings)
    texts = accept.with_settings(args.config, settings) if args.write and not fits else None
    written = [str(path) for path in accept.write_certificates(permit, files)]
    lines = [f"wrote {path}" for path in written]
    if texts is not None:
        backup = accept.write_settings(args.config, *texts)
        lines.append(f"wrote mqtt into {args.config}; as it was: {backup}")
        written.append(str(args.config))
    elif fits:
        lines.append(f"{args.config} says so already")
    else:
        lines += [
            f"put this into {args.config}"
            + (", in the place of its part mqtt:" if config.mqtt else " (or say --write):"),
            "",
            accept.as_yaml(settings).rstrip(),
        ]
    output.result(
        {"site": permit.site, "terminal": permit.terminal, "wrote": written, "mqtt": settings},
        lines,
    )
    return 0


def _document(config: Config, *, tls: bool, make: bool = True) -> tuple[dict[str, Any], list[str]]:
    """The request of this terminal, and which keys were made for it."""
    from edged.site.accept import TlsFiles, own_tls_key
    from edged.site.papers import make_request
    from edged.vault.identity import Identity

    identity = Identity(load_key(config.key))
    files, made = TlsFiles.of(config), []
    key = None
    if tls:
        if not make and not files.key.exists():
            raise ProvisionError(f"{files.key}: is missing; make a request with --tls first")
        key, new = own_tls_key(files.key)
        if new:
            made.append(str(files.key))
    client_id = (config.mqtt.client_id if config.mqtt else None) or _default_id(config)
    return make_request(identity, config.site, config.terminal, client_id, key), made


def _check_owner(folder: Path) -> None:
    """What root makes of the terminal's own key nobody else could read."""
    if os.geteuid() == 0 and folder.is_dir() and (owner := folder.stat().st_uid) != 0:
        raise ProvisionError(
            f"{folder} belongs to another user (uid {owner}), who could not read the key that root "
            "makes there: run this as that user (edged-as-service)"
        )


def _default_id(config: Config) -> str:
    from edged.site.papers import default_client_id

    return default_client_id(config.site, config.terminal)


def _has_tls(config: Config) -> bool:
    """Whether it has a client certificate that may have to be renewed."""
    from edged.site.accept import TlsFiles

    return TlsFiles.of(config).key.exists()


def _same(config: Config, settings: dict[str, Any]) -> bool:
    """Whether the configuration says what the permit says, whatever else it says."""
    from edged.config.schema import Mqtt

    assert config.mqtt is not None  # noqa: S101  # asked by the caller
    wanted = Mqtt.model_validate(settings)
    return all(
        getattr(config.mqtt, name) == getattr(wanted, name)
        for name in wanted.model_fields_set - {"commands"}
    ) and set(wanted.commands.keys) <= set(config.mqtt.commands.keys)


def _write(path: Path, text: str) -> None:
    try:
        with replaced(path) as draft:
            draft.write_text(text, encoding="ascii")
            draft.chmod(0o644)
    except OSError as fault:
        raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault


def _draw(text: str, path: Path) -> None:
    if path.suffix.lower() not in {".svg", ".png"}:
        raise BadUsage(f"{path}: a QR code is written as .svg or .png")
    try:
        code_of(text).save(str(path), scale=6, border=4)
    except OSError as fault:
        raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault


def code_of(text: str) -> segno.QRCode:
    """A request's QR code, as small as it can be."""
    import segno

    return segno.make_qr(text, error="l", boost_error=False)


def _show(text: str, output: Output) -> None:
    """The code in half blocks; where the screen is too small to show it whole, that is said."""
    import io

    code = code_of(text)
    border = 2
    columns = code.symbol_size(border=border)[0]
    rows = (columns + 1) // 2
    screen = shutil.get_terminal_size()
    if sys.stdout.isatty() and (screen.columns < columns or screen.lines < rows):
        output.say(
            f"the QR code needs {columns} columns and {rows} lines, here are {screen.columns} and "
            f"{screen.lines}: make the window larger, or write it with --qr-file"
        )
        return
    drawn = io.StringIO()
    code.terminal(drawn, border=border, compact=True)
    for line in drawn.getvalue().splitlines():
        output.say(line)
