"""``edged check -c FILE``: open everything the terminal would open, and list all that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edged.camera.table import open_camera
from edged.cli.check_parts import codes_are_readable, doubtful_parts, peers_are_known
from edged.cli.check_rules import doubtful_rules, wrong_rules
from edged.cli.output import add_config, add_json
from edged.config.load import in_order, load, load_parts, problem_at
from edged.door.table import make_door
from edged.errors import (
    BundleError,
    ConfigError,
    EdgedError,
    KeyUnavailable,
    ScreenError,
    StorageError,
)
from edged.events.outbox import make_outbox
from edged.gallery.store import make_gallery
from edged.gallery.wipe import describe
from edged.history.store import History, beside
from edged.mqtt.auth import Keyring
from edged.mqtt.credentials import password, tls_context
from edged.recording.file import RecordingFile
from edged.service.begin import begin, desired_document, desired_lines
from edged.service.desired import TooLax, fallen_back, too_lax
from edged.service.engine import Engine
from edged.service.movers import left_behind
from edged.service.next_network import check_next
from edged.service.policy import make_policy
from edged.service.risk import risk_table
from edged.vault.identity import sealing_key
from edged.vault.keys import load_key
from edged.web.installer.password import read as read_password
from edged.web.screen import Screen
from edged.web.texts import load_texts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from edged.bundle.manifest import Recogniser
    from edged.cli.output import Output
    from edged.config import schema
    from edged.config.schema import Config, Decision, Mqtt, Web
    from edged.decision.policy import Policy
    from edged.service.desired import Standing
    from edged.vault.keys import Secret


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(command, required=True)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Exit code 0 when the terminal could start, 2 with every problem otherwise.

    What is usable by itself is opened although something else in the file is wrong.
    """
    parts, problems = load_parts(args.config)
    checks = _Checks(args.config, problems)
    key: Secret | None = None
    if "key" in parts:
        key = checks.of("key", lambda: load_key(parts["key"]))
        if key is not None:
            _check_files(checks, parts, key)
    manifest: Recogniser | None = None
    lost: list[str] = []
    if "model" in parts and "vision" in parts:
        engine = Engine(parts["model"], parts["vision"])
        manifest = checks.of("model", lambda: _open_engine(engine))
        if manifest is not None and parts["model"].next is not None:
            checks.of("model.next", lambda: _open_next(parts["model"], parts["vision"], manifest))
        if manifest is not None and key is not None and "gallery" in parts:
            lost = _lost(checks, parts["gallery"], key, engine.identity)
    if "door" in parts:
        checks.of("door", lambda: _open(make_door(parts["door"])))
    if "camera" in parts:
        checks.of("camera", lambda: open_camera(parts["camera"]).probe())
    _check_sections(checks, parts)
    if not problems:
        checks.problems += wrong_rules(args.config, load(args.config))
    if checks.problems or manifest is None:
        raise ConfigError(in_order(checks.problems))
    begun = _begun(load(args.config), manifest)
    decision: Decision = begun.config.decision
    policy = make_policy(decision, manifest)
    rules = doubtful_rules(args.config, begun.config, key)
    readers = doubtful_parts(args.config, begun.config)
    output.result(
        {
            "ok": True,
            "config": str(args.config),
            "decision": risk(decision, policy),
            "desired": desired_document(begun),
            "not_found_by_model": lost,
            "rules": rules,
            "readers": readers,
        },
        [
            f"{args.config}: the terminal can start",
            *desired_lines(begun),
            *_told(decision, policy),
            *_told_lost(lost),
            *(f"WARNING: {line}" for line in in_order([*rules, *readers])),
        ],
    )
    return 0


def _begun(yaml: Config, manifest: Recogniser) -> Standing:
    """What the terminal would begin with, for as few people as there can be."""
    begun = begin(yaml, tries=False)
    problem = too_lax(begun.config, yaml, manifest, people=0)
    return begun if problem is None else fallen_back(begun, TooLax([problem]))


def risk(decision: Decision, policy: Policy) -> dict[str, Any]:
    """What the decision asks for, and what that means by gallery size."""
    return {
        "profile": decision.profile,
        "fpir": policy.fpir,
        "similarity": decision.similarity,
        "risk": risk_table(policy),
        "warnings": _warnings(policy),
    }


def _told(decision: Decision, policy: Policy) -> list[str]:
    fixed = "" if decision.similarity is None else ", decision.similarity fixed by hand"
    rows = [
        f"{row['people']:>10,}  {row['threshold']:>9.4f}  {row['review']:>10.4f}  "
        f"{_percent(row['implied_fpir']):>16}{'  ABOVE THE TARGET' if row['above_target'] else ''}"
        for row in risk_table(policy)
    ]
    target = f"of the strangers who try, {_percent(policy.fpir)} may be let in"
    return [
        f"profile {decision.profile}{fixed}: {target}",
        "    people  let in at  doubt from  strangers let in",
        *rows,
        *_warnings(policy),
    ]


def _warnings(policy: Policy) -> list[str]:
    lax = [row for row in risk_table(policy) if row["above_target"]]
    if not lax:
        return []
    first, last = lax[0], lax[-1]
    needed = replace(policy, similarity=None).thresholds(last["people"]).grant
    warning = (
        f"WARNING: with {first['people']:,} people {_percent(first['implied_fpir'])} of strangers "
        f"are let in, with {last['people']:,} {_percent(last['implied_fpir'])}, where "
        f"{_percent(policy.fpir)} is asked: leave decision.similarity out, or set it to "
        f"{needed:.2f} for {last['people']:,}"
    )
    return [warning]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


class _Checks:
    """Runs checks and keeps what they complain of, with its place in the file."""

    def __init__(self, file: Path, problems: list[str]) -> None:
        self._file = file
        self.problems = list(problems)
        self._failed: set[str] = set()

    def failed(self, *settings: str) -> bool:
        """Whether any of these was complained of."""
        return not self._failed.isdisjoint(settings)

    def of(self, setting: str, check: Any) -> Any:
        """The check's result, or None after a complaint."""
        try:
            return check()
        except EdgedError as fault:
            self._failed.add(setting)
            text = "; ".join(str(fault).splitlines())
            self.problems.append(problem_at(self._file, setting, text))
            return None


def _check_sections(checks: _Checks, parts: dict[str, Any]) -> None:
    """What may be there or not."""
    if parts.get("mqtt") is not None:
        _check_mqtt(checks, parts["mqtt"])
    if parts.get("web") is not None:
        _check_web(checks, parts["web"])
    access = parts.get("access")
    codes = None if access is None else access.qr
    for setting, check in (*peers_are_known(parts.get("peers", ())), *codes_are_readable(codes)):
        checks.of(setting, check)


def _check_web(checks: _Checks, settings: Web) -> None:
    """Both pages, and what they say."""
    checks.of("web", lambda: _open(Screen(settings, dict)))
    checks.of("web.texts", lambda: _check_texts(settings))
    installer = settings.installer
    if installer is not None and installer.password_file is not None:
        stored = installer.password_file
        checks.of("web.installer.password_file", lambda: read_password(stored))


def _check_mqtt(checks: _Checks, settings: Mqtt) -> None:
    """Secrets and keys; whether the broker answers is the doctor's question."""
    checks.of("mqtt.password_file", lambda: password(settings))
    if settings.tls is not None:
        tls = settings.tls
        checks.of("mqtt.tls", lambda: tls_context(tls))
    checks.of("mqtt.commands.keys", lambda: Keyring(settings.commands))
    site_key = None if settings.sync is None else settings.sync.site_key
    for setting, public in (("snapshot_key", settings.snapshot_key), ("sync.site_key", site_key)):
        if public is not None:
            checks.of(f"mqtt.{setting}", lambda public=public: _check_sealing(public))


def _check_sealing(public: str) -> None:
    """The same that the terminal does, in words that fit the setting.

    Raises:
        KeyUnavailable: it is no key to seal with.
    """
    try:
        sealing_key(public)
    except KeyUnavailable as fault:
        raise KeyUnavailable(
            "not an X25519 public key in PEM form; `edged ctl keygen FILE --kind sealing` makes "
            "FILE.pub at the site"
        ) from fault


def _check_files(checks: _Checks, parts: dict[str, Any], key: Secret) -> None:
    """The encrypted files, each of its own; what a wrong key would make is not made."""
    files: dict[str, tuple[Path, Callable[[], None]]] = {}
    if "gallery" in parts:
        gallery = parts["gallery"]
        files["gallery.path"] = gallery.path, lambda: _open_gallery(gallery, key)
        files["gallery.keys"] = gallery.keys_path, lambda: None  # opened with the gallery
    if "events" in parts:
        events = parts["events"]
        files["events.path"] = events.path, lambda: _open(make_outbox(events, key))
    if "events" in parts and "history" in parts:
        kept = parts["history"].path or beside(events.path)
        files["history.path"] = kept, lambda: _open(History(kept, key, 1))
    if parts.get("recording") is not None:
        recording = parts["recording"].path
        files["recording.path"] = recording, lambda: _open_recording(RecordingFile(recording, key))
    owners: dict[Path, str] = {}
    for setting, (place, check) in files.items():
        owner = owners.setdefault(place.resolve(), setting)
        if owner != setting:
            checks.of(setting, lambda owner=owner: _taken(owner))
        elif setting in _BY_KEY or not checks.failed(*_BY_KEY):
            checks.of(setting, check)


_BY_KEY = ("gallery.path", "events.path")


def _taken(owner: str) -> None:
    raise StorageError(f"is the file of {owner} already; give each a file of its own")


def _open_gallery(settings: schema.Gallery, key: Secret) -> None:
    """And read what a terminal reads of it again and again."""
    gallery = make_gallery(settings, key)
    try:
        gallery.open()
        if gallery.wiped is not None:
            raise StorageError(describe(gallery.wiped))
        _ = gallery.revision
    finally:
        gallery.close()


def _open_recording(file: RecordingFile) -> None:
    try:
        file.open(make=True)
    finally:
        file.close()


def _open_engine(engine: Engine) -> Recogniser:
    """The recogniser's manifest. The terminal starts on a bundle that stands in for a broken one;
    that is wrong all the same.

    Raises:
        BundleError: it does.
    """
    with engine:
        if engine.passed_over:
            raise BundleError("\n".join(engine.passed_over))
        return engine.manifest


def _open_next(model: schema.Model, limits: schema.Vision, manifest: Recogniser) -> None:
    """The bundle that people are to move to.

    Raises:
        BundleError, RuntimeFault: nobody would.
    """
    settings = model.model_copy(update={"bundle": model.next})
    with Engine(settings, limits, detects=False) as engine:
        check_next(engine, manifest.similarity.risk)


def _lost(checks: _Checks, settings: schema.Gallery, key: Secret, identity: str) -> list[str]:
    """Who is enrolled and would not be found by this bundle."""
    if checks.failed("key", *_BY_KEY):
        return []

    def read() -> list[str]:
        gallery = make_gallery(settings, key)
        gallery.open()
        try:
            return left_behind(gallery, identity)
        finally:
            gallery.close()

    found: list[str] | None = checks.of("gallery.path", read)
    return found or []


def _told_lost(people: list[str]) -> list[str]:
    if not people:
        return []
    some = ", ".join(people[:_LISTED]) + (" …" if len(people) > _LISTED else "")
    warning = (
        f"WARNING: {len(people)} people have no template of model.bundle and will not be "
        f"recognised: {some}; enrol them, or let them move first (model.next)"
    )
    return [warning]


_LISTED = 20


def _check_texts(settings: Web) -> None:
    """The screen falls back to our texts; what it has to fall back for is wrong all the same.

    Raises:
        ScreenError: something is.
    """
    if problems := load_texts(settings.texts).problems:
        raise ScreenError("\n".join(problems))


def _open(part: Any) -> None:
    """Open and close a part of the terminal."""
    try:
        part.open()
    finally:
        part.close()
