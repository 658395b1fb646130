"""What an installer may write, with units in the names and limits that a door can live with.

Every model is frozen and refuses unknown keys. Paths are taken relative to the folder of the
configuration file (see `edged.config.load`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from edged.config.access import Access, Holidays, Peer, Schedule
from edged.config.attendance import Attendance
from edged.config.base import NAME, Misplaced, Name, Settings, unknown_name, within
from edged.config.door import Door, GpioDoor, SimulatedDoor
from edged.config.readers import Panel, Reader
from edged.config.whole import problems

__all__ = ["NAME", "Config", "Door", "GpioDoor", "Misplaced", "Name", "Settings", "SimulatedDoor"]

_BUNDLE = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class OpenCVCamera(Settings):
    """A V4L2 device, an RTSP or HTTP stream, or a video file, read by OpenCV."""

    driver: Literal["opencv"]
    source: int | str = 0
    width_px: Annotated[int, *within(160, 4096)] = 640
    height_px: Annotated[int, *within(120, 4096)] = 480
    rate_hz: Annotated[float, *within(1, 120)] = 15
    rotate_deg: Literal[0, 90, 180, 270] = 0
    fourcc: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{4}$")] | None = None
    timeout_s: Annotated[float, *within(0.5, 8)] = 5  # well within WatchdogSec


class PiCamera(Settings):
    """A Raspberry Pi camera, read by picamera2."""

    driver: Literal["picamera2"]
    number: Annotated[int, *within(0, 7)] = 0
    width_px: Annotated[int, *within(160, 4096)] = 640
    height_px: Annotated[int, *within(120, 4096)] = 480
    rate_hz: Annotated[float, *within(1, 120)] = 15
    rotate_deg: Literal[0, 90, 180, 270] = 0
    timeout_s: Annotated[float, *within(0.5, 8)] = 5  # well within WatchdogSec


class ReplayCamera(Settings):
    """A folder of images (in name order) or a video, played as if it were a camera."""

    driver: Literal["replay"]
    source: Path
    rate_hz: Annotated[float, *within(0.1, 1000)] = 15
    pace: Literal["real", "fast"] = "real"
    loop: bool = False
    rotate_deg: Literal[0, 90, 180, 270] = 0


Camera = Annotated[OpenCVCamera | PiCamera | ReplayCamera, Field(discriminator="driver")]


class Model(Settings):
    """Which networks run, and on what.

    ``bundle`` and ``detector`` name a bundle that is installed or ships, or the path of a
    bundle's folder. ``store`` is where bundles are installed. A bundle that does not ship is
    used only if one of ``trusted_keys`` signed it or ``allow_unsigned`` names it.
    ``next`` names a bundle that shall take the place of ``bundle``: it runs beside it, and
    people move over as they are recognised.
    ``options`` go to the runtime as they are (OpenVINO properties, or the options of the
    onnxruntime execution provider named by ``device``).
    """

    bundle: str = "mobilefacenet-rts"
    detector: str = "mtcnn"
    next: str | None = None
    store: Path = Path("/var/lib/edged/models")
    trusted_keys: tuple[Path, ...] = ()
    allow_unsigned: tuple[Annotated[str, Field(pattern=_BUNDLE)], ...] = ()
    runtime: Literal["auto", "openvino", "onnxruntime"] = "auto"
    device: str = "auto"
    threads: Annotated[int, *within(0, 64)] = 0
    options: dict[str, str | int | float | bool] = {}
    cache_dir: Path | None = None


class Vision(Settings):
    """When a view of a face is fit to be used. Shares are of the frame or of the face."""

    smallest_face_px: Annotated[int, *within(20, 1000)] = 50
    detect_every_frames: Annotated[int, *within(1, 60)] = 5
    near_face_px: Annotated[int, *within(20, 2000)] = 72
    largest_face_share: Annotated[float, *within(0.2, 1.0)] = 0.8
    off_centre_share: Annotated[float, *within(0.1, 0.5)] = 0.38
    largest_yaw_deg: Annotated[float, *within(5, 90)] = 35
    largest_pitch_deg: Annotated[float, *within(5, 90)] = 30
    largest_roll_deg: Annotated[float, *within(5, 90)] = 30
    dark_level: Annotated[float, *within(0, 255)] = 45
    bright_level: Annotated[float, *within(0, 255)] = 225
    backlight_ratio: Annotated[float, *within(1, 20)] = 2.5
    blur_level: Annotated[float, *within(0, 1)] = 0.6

    @model_validator(mode="after")
    def _ordered(self) -> Vision:
        if self.dark_level >= self.bright_level:
            raise ValueError("dark_level must be below bright_level")
        return self


class Decision(Settings):
    """Who is let in, and how long the terminal tries.

    ``fpir`` is the tolerated share of presentations by people who are not enrolled that are
    granted all the same; left out, the profile's: attendance 1 %, access 0.3 %,
    high_security 0.1 %. ``similarity`` replaces the derived threshold by a fixed one; the state
    and ``edged check`` say what it implies. ``margin`` is by how much the best candidate must be
    ahead of the second. ``doubtful`` is what becomes of a case between the two thresholds, or of
    a lookalike. ``minimum_quality`` is asked of the fused evidence, ``view_quality`` of each view.
    ``serve_again_after_s``: who was granted and stays is served again after this; left out, only
    after having gone. ``strangers_per_day`` replaces the measured traffic in the stated risk.
    """

    profile: Literal["attendance", "access", "high_security"] = "access"
    fpir: Annotated[float, *within(1e-6, 0.1)] | None = None
    similarity: Annotated[float, *within(0.2, 0.99)] | None = None
    review_fpir_factor: Annotated[float, *within(1, 1000)] = 30
    margin: Annotated[float, *within(0, 0.5)] | None = None
    doubtful: Literal["review", "retake", "second_factor"] = "review"
    one_person: bool | None = None
    minimum_quality: Annotated[float, *within(0, 1)] | None = None
    view_quality: Annotated[float, *within(0, 1)] | None = None
    evidence_frames: Annotated[int, *within(1, 50)] = 3
    denial_frames: Annotated[int, *within(1, 200)] = 10
    denial_after_s: Annotated[float, *within(0.1, 60)] = 1.5
    retake_after_s: Annotated[float, *within(0.5, 60)] = 3
    gone_after_s: Annotated[float, *within(0.1, 60)] = 1
    cool_down_s: Annotated[float, *within(0.5, 3600)] = 8
    serve_again_after_s: Annotated[float, *within(1, 86400)] | None = None
    strangers_per_day: Annotated[float, *within(0, 1e6)] | None = None
    instruction_hold_s: Annotated[float, *within(0, 10)] = 1
    instruction_delay_s: Annotated[float, *within(0, 10)] = 0.3

    @model_validator(mode="after")
    def _ordered(self) -> Decision:
        if self.denial_frames < self.evidence_frames:
            raise ValueError("denial_frames must not be below evidence_frames")
        view, minimum = self.view_quality, self.minimum_quality
        if view is not None and minimum is not None and view > minimum:
            raise ValueError("view_quality must not be above minimum_quality")
        return self


class Key(Settings):
    """Where the 32-byte key of the encrypted files comes from; exactly one is given."""

    credential: Name | None = None
    file: Path | None = None
    env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None

    @field_validator("credential", "file", "env", mode="before")
    @classmethod
    def _no_key(cls, value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{64}", value.strip()):
            raise ValueError("this looks like the key itself; name the place where it is kept")
        return value

    @model_validator(mode="after")
    def _one(self) -> Key:
        if sum(given is not None for given in (self.credential, self.file, self.env)) != 1:
            raise ValueError("give exactly one of credential, file, env")
        return self


class TamperLine(Settings):
    """A switch at the case on a GPIO line, or a file that stands for one in a simulation."""

    driver: Literal["gpio", "simulated"]
    chip: str = "/dev/gpiochip0"
    line: Annotated[int, *within(0, 1023)] | str | None = None
    active_low: bool = False
    file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> TamperLine:
        if (self.driver == "gpio") != (self.line is not None):
            raise ValueError("give line with driver gpio, and only then")
        if (self.driver == "simulated") != (self.file is not None):
            raise ValueError("give file with driver simulated, and only then")
        return self


class Wipe(Settings):
    """When the gallery destroys itself, beside the site's order to: the keys first.

    ``tamper`` is an input that opens or closes when the case is opened; ``wrong_keys`` is after
    how many starts in a row with a key that does not fit.
    """

    tamper: TamperLine | None = None
    wrong_keys: Annotated[int, *within(3, 1000)] | None = None


class Gallery(Settings):
    """The encrypted file of people and templates, and how people get into it and out again.

    ``keys`` is the file of their keys; without it, it lies beside ``path`` and ends in
    ``.keys``. ``enrolment_confirm`` is how a person at the terminal agrees: by a turn of the
    head, by a button on the page, or not at all. ``duplicates`` is what becomes of a face that
    is enrolled under another id. ``lookalikes`` is what is asked of people who resemble
    another one: a wider lead over the second (``lookalike_margin``), a second factor, or
    nothing more. ``adaptation`` lets templates follow people who agreed to it.
    ``retention_days`` is how long somebody stays stored after validity or consent ended.
    """

    path: Path = Path("/var/lib/edged/gallery.db")
    keys: Path | None = None
    templates_per_person: Annotated[int, *within(1, 50)] = 5
    enrolment_views: Annotated[int, *within(1, 20)] = 3
    enrolment_timeout_s: Annotated[float, *within(5, 600)] = 60
    enrolment_confirm: Literal["turn", "page", "none"] = "turn"
    duplicates: Literal["refuse", "allow"] = "refuse"
    lookalikes: Literal["margin", "second_factor", "off"] = "margin"
    lookalike_margin: Annotated[float, *within(0, 0.5)] = 0.1
    adaptation: bool = False
    require_consent: bool = False
    retention_days: Annotated[int, *within(0, 3650)] = 30
    wipe: Wipe = Wipe()

    @property
    def keys_path(self) -> Path:
        """The file of the people's keys."""
        return self.keys or self.path.with_suffix(".keys")


class Events(Settings):
    """The encrypted outbox: events wait here until the broker has them.

    ``on_write_failure`` says what the door does when an event cannot be recorded
    (full disk): ``deny`` keeps it shut, ``grant`` opens it without a record. Delivered events
    stay for ``keep_days``, and give way first when the file reaches ``largest_mb`` or the disk
    has less than ``keep_free_mb`` left; then the oldest that wait, with a gap event.
    """

    path: Path = Path("/var/lib/edged/events.db")
    capacity: Annotated[int, *within(1000, 10_000_000)] = 1_000_000
    keep_days: Annotated[int, *within(0, 3650)] = 30
    largest_mb: Annotated[int, *within(4, 100_000)] = 400
    keep_free_mb: Annotated[int, *within(0, 100_000)] = 20
    on_write_failure: Literal["deny", "grant"] = "deny"


class Tls(Settings):
    """TLS to the broker; with a client certificate where the broker asks for one."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self


class CommandKey(Settings):
    """A controller that may command this terminal: an Ed25519 public key and its roles."""

    id: Name
    public_key: str
    roles: frozenset[Literal["operator", "enroller", "maintainer", "auditor"]]

    @field_validator("public_key")
    @classmethod
    def _pem(cls, value: str) -> str:
        if "BEGIN PUBLIC KEY" not in value:
            raise ValueError("expected an Ed25519 public key in PEM form (-----BEGIN PUBLIC KEY…)")
        return value


class Commands(Settings):
    """Who may send commands. Without a key every command is refused.

    ``two_person`` names commands that are obeyed when two people have sent the same one within
    ``two_person_within_s``; then the keys change by two people, too. A key that was replaced
    over MQTT stays good for as long as the maintainer said, at most ``rotation_overlap_s``.
    """

    keys: tuple[CommandKey, ...] = ()
    allow_unsigned: bool = False
    unsynced_clock: Literal["refuse", "accept"] = "refuse"
    longest_validity_s: Annotated[float, *within(1, 3600)] = 60
    rate_hz: Annotated[float, *within(0.1, 1000)] = 5
    two_person: frozenset[
        Literal["door.mode", "gallery.wipe", "model.install", "model.rollback", "snapshot"]
    ] = frozenset()
    two_person_within_s: Annotated[float, *within(10, 3600)] = 300
    rotation_overlap_s: Annotated[float, *within(0, 2_592_000)] = 86_400

    @field_validator("keys")
    @classmethod
    def _distinct(cls, keys: tuple[CommandKey, ...]) -> tuple[CommandKey, ...]:
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("two keys have the same id")
        return keys


class Sync(Settings):
    """The site's gallery, followed over MQTT.

    Batches are taken from keys of ``mqtt.commands.keys`` with the role enroller.
    ``share_enrolments`` sends who is enrolled at this terminal to the site, sealed to
    ``site_key``, an X25519 public key in PEM form.
    """

    share_enrolments: bool = False
    site_key: str | None = None

    @model_validator(mode="after")
    def _both(self) -> Sync:
        if self.share_enrolments and self.site_key is None:
            raise ValueError("share_enrolments needs site_key: whom the templates are sealed to")
        if self.site_key is not None and "BEGIN PUBLIC KEY" not in self.site_key:
            raise ValueError("site_key: expected an X25519 public key in PEM form")
        return self


class HomeAssistant(Settings):
    """Home Assistant's discovery: the terminal announces itself below ``prefix``.

    ``lock`` announces a lock, too, whose button works through ``edged ctl bridge``: the terminal
    itself obeys signed commands only.
    """

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")] = "homeassistant"
    lock: bool = False


class Mqtt(Settings):
    """The site controller's broker.

    ``backlog_hz`` is how many events a second are sent late after an outage, so that what happens
    now goes first. ``topic_dots: dash`` writes ``access-granted`` for ``access.granted`` in
    topics, for brokers that turn a dot into a slash (RabbitMQ). ``snapshot_key`` is an X25519
    public key in PEM form that the command ``snapshot`` seals its picture to; without one no
    picture leaves the terminal.
    """

    host: str
    port: Annotated[int, *within(1, 65535)] | None = None
    protocol: Literal["5", "3.1.1"] = "5"
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")] = "edged"
    client_id: str | None = None
    username: str | None = None
    password_file: Path | None = None
    tls: Tls | None = None
    keepalive_s: Annotated[int, *within(5, 3600)] = 20
    reconnect_max_s: Annotated[float, *within(1, 3600)] = 30
    live_within_s: Annotated[float, *within(1, 3600)] = 10
    backlog_hz: Annotated[float, *within(1, 100_000)] = 200
    topic_dots: Literal["dot", "dash"] = "dot"
    snapshot_key: str | None = None
    homeassistant: HomeAssistant | None = None
    commands: Commands = Commands()
    sync: Sync | None = None

    @field_validator("protocol", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) else value

    @field_validator("snapshot_key")
    @classmethod
    def _pem(cls, value: str | None) -> str | None:
        if value is not None and "BEGIN PUBLIC KEY" not in value:
            raise ValueError("expected an X25519 public key in PEM form")
        return value

    @model_validator(mode="after")
    def _no_dots(self) -> Mqtt:
        if self.topic_dots == "dash" and "." in self.prefix:
            raise Misplaced([(("prefix",), "has a dot, which topic_dots: dash cannot write")])
        return self

    @property
    def port_or_default(self) -> int:
        return self.port or (8883 if self.tls else 1883)


class Pulses(Settings):
    """What one lamp or buzzer does: seconds on, off, on, off …; ``times`` rounds, 0 for ever."""

    seconds: Annotated[
        tuple[Annotated[float, *within(0.02, 60)], ...], Field(min_length=1, max_length=64)
    ]
    times: Annotated[int, *within(0, 1000)] = 1


class SignalLine(Settings):
    """A lamp or a buzzer on a GPIO line."""

    line: Annotated[int, *within(0, 1023)] | str
    active_low: bool = False


def _on_or_pulses(value: Any) -> str:
    return "pulses" if isinstance(value, dict | Pulses) else "on"


def _on_or_off(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("expected true, false, or pulses such as {seconds: [0.1, 0.1], times: 3}")
    return value


Signal = Annotated[
    Annotated[bool, BeforeValidator(_on_or_off), Tag("on")] | Annotated[Pulses, Tag("pulses")],
    Discriminator(_on_or_pulses),
]

SIGNAL_STATES = (
    "idle",
    "gathering",
    "instruction",
    "granted",
    "denied",
    "review",
    "second_factor",
    "held",
    "enrolling",
    "degraded",
)
"""What lamps and buzzers can tell."""


class Signals(Settings):
    """Lamps and buzzers: what each does in each state of the terminal."""

    driver: Literal["gpio", "simulated"]
    chip: str = "/dev/gpiochip0"
    record: Path | None = None
    lines: dict[Name, SignalLine]
    states: dict[str, dict[str, Signal]] = {}

    @model_validator(mode="after")
    def _known(self) -> Signals:
        problems: list[tuple[tuple[str, ...], str]] = []
        taken: dict[int | str, str] = {}
        for name, wired in self.lines.items():
            if wired.line in taken:
                what = f"line {wired.line} is {taken[wired.line]}'s already"
                problems.append((("lines", name, "line"), what))
            taken.setdefault(wired.line, name)
        for state, table in self.states.items():
            if state not in SIGNAL_STATES:
                what = unknown_name("state", state, SIGNAL_STATES)
                problems.append((("states", state), what))
            for name in table:
                if name not in self.lines:
                    what = unknown_name("line", name, self.lines)
                    problems.append((("states", state, name), what))
        if problems:
            raise Misplaced(problems)
        return self


class History(Settings):
    """The encrypted file of how presentations went: numbers, no faces, no names. Without a
    ``path`` it lies beside the events."""

    path: Path | None = None
    keep_days: Annotated[int, *within(1, 3650)] = 90


class Recording(Settings):
    """The encrypted file of what the decision saw, for ``edged replay``: no images, but
    templates."""

    path: Path
    keep_days: Annotated[int, *within(1, 365)] = 7
    largest_mb: Annotated[int, *within(1, 100_000)] = 500


class Installer(Settings):
    """The installer's page: behind a password on the web port, or on a unix socket only.

    ``images`` shows the camera's picture and keeps small ones of the last faces in memory;
    ``person_ids`` says who was recognised, as the site named them.
    """

    password_file: Path | None = None
    socket: Path | None = None
    images: bool = False
    person_ids: bool = False

    @model_validator(mode="after")
    def _one(self) -> Installer:
        if (self.password_file is None) == (self.socket is None):
            raise ValueError("give exactly one of password_file, socket")
        return self


class Web(Settings):
    """The page for the terminal's own screen, on loopback only.

    ``live_picture`` shows the camera's picture, ``names`` greets by name, ``sound`` adds cues,
    ``pin_pad`` takes a PIN on a touchscreen;
    ``texts`` is a file with more languages or other words.
    """

    port: Annotated[int, *within(1, 65535)] = 8480
    live_picture: bool = True
    names: bool = False
    sound: bool = False
    pin_pad: bool = False
    texts: Path | None = None
    installer: Installer | None = None


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone of this name; such as Europe/Berlin") from None
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]


class Config(Settings):
    """One terminal. Left out, ``time_zone`` is the machine's."""

    site: Name
    terminal: Name
    camera: Camera
    model: Model = Model()
    vision: Vision = Vision()
    decision: Decision = Decision()
    key: Key
    gallery: Gallery = Gallery()
    door: Door
    time_zone: TimeZone | None = None
    schedules: dict[Name, Schedule] = {}
    holidays: Holidays = Holidays()
    access: Access | None = None
    readers: dict[Name, Reader] = {}
    panel: Panel | None = None
    attendance: Attendance | None = None
    peers: tuple[Peer, ...] = ()
    events: Events = Events()
    mqtt: Mqtt | None = None
    web: Web | None = None
    signals: Signals | None = None
    history: History = History()
    recording: Recording | None = None
    names_in_events: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _whole(self) -> Config:
        found = problems(self)
        if found:
            raise Misplaced(found)
        return self
