"""The composition root: every part opened in order, run, and closed in exact reverse."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from edged import __version__
from edged.access.calendar import Calendar
from edged.camera.mailbox import Mailbox
from edged.camera.table import open_camera
from edged.decision.presentation import Phase
from edged.door.table import make_door
from edged.errors import BundleError, GalleryError, RuntimeFault, StorageError
from edged.events.outbox import make_outbox
from edged.events.trusted import TrustedTime
from edged.gallery.neighbours import catch_up
from edged.gallery.store import make_gallery
from edged.history.store import History, history_path
from edged.mqtt.client import Link
from edged.mqtt.homeassistant import announcements
from edged.mqtt.sealed_pin import with_pins_opened
from edged.mqtt.topics import topics_of
from edged.service.access import AccessParts, House
from edged.service.adapt import Adapter
from edged.service.chronicle import Chronicle
from edged.service.command_desk import CommandDesk
from edged.service.desired import Standing
from edged.service.display import Display
from edged.service.door_mode import DoorMode
from edged.service.doorway import Doorway
from edged.service.engine import Engine
from edged.service.errands import Errands
from edged.service.follow import Follow
from edged.service.journal import Journal
from edged.service.lamps import Lamps
from edged.service.lifecycle import Lifecycle
from edged.service.metrics import Metrics
from edged.service.migration import Migration
from edged.service.notify import notify, watchdog_interval_s
from edged.service.orders import Orders
from edged.service.pages import Pages
from edged.service.people_orders import PeopleOrders
from edged.service.photo_desk import PhotoDesk
from edged.service.policy import make_policy, policy_digest
from edged.service.record import LOOK_ON_S, header_of, open_recorder
from edged.service.restart import settled, unblock
from edged.service.risk import stated_risk
from edged.service.state import State
from edged.service.terminal import Terminal
from edged.service.timekeeping import Timekeeping
from edged.service.watch import Watch
from edged.service.wiping import Wiping
from edged.vault.identity import Identity
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.camera.base import CameraState
    from edged.config.load import Lines
    from edged.config.schema import Config, Mqtt
    from edged.decision.presentation import Step
    from edged.mqtt.commands import Commands
    from edged.mqtt.topics import Topics
    from edged.recording.items import Forgot, Held
    from edged.recording.recorder import Recorder
    from edged.types import Frame, FusedMatch, Observation
    from edged.vault.secret import Secret

log = logging.getLogger(__name__)

_TICK_S = 0.5
_STALLED_S = 10.0
_FIRST_FRAME_S = 20.0
_LONGEST_END_S = 9.0  # a camera may take its whole timeout_s (8 at most) to let go


class Daemon:
    """One terminal, from start to stop.

    Args:
        begun: where the site's desired settings are in `config`: what of it is theirs.
        restarts: whether the site may have it begin anew; `begins_anew` says then that it is to.
        lines: where the settings of `config` stand in its file, for rules that decide.
    """

    def __init__(
        self,
        config: Config,
        begun: Standing | None = None,
        *,
        restarts: bool = False,
        lines: Lines | None = None,
    ) -> None:
        self._config = config
        self._lines = lines
        self._begun = begun or Standing(config, config)
        self._restarts = restarts
        self._stop = threading.Event()
        self._asked = 0
        self._about: dict[str, Any] = {}
        self._crashed = False
        self._ended = False
        self._beat = 0
        self._frames = 0
        self._mailbox: Mailbox[Frame] = Mailbox()
        self._state = State()
        self._metrics = Metrics()
        self._recorder: Recorder | None = None
        self._follow: Follow | None = None
        self._desk: CommandDesk | None = None
        self._displaying = threading.Lock()
        self._faced = self._shown = Display(Phase.IDLE)  # by the vision thread, and in the end

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._stop.set()

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or the end of a recording; returns the exit code.

        Raises:
            EdgedError: a part cannot be opened; those opened before are closed again.
        """
        with ExitStack() as stack:
            self._catch_signals(stack)
            self._open(stack)
            self._supervise()
            if not self.begins_anew:
                notify("STOPPING=1")
        log.info("stopped")
        return 1 if self._crashed else 0

    @property
    def begins_anew(self) -> bool:
        """Whether whoever called `run` is to call for another daemon in its place."""
        return not self.asked_to_end() and not self._crashed and self._errands.restart.due

    def asked_to_end(self) -> bool:
        """Whether a signal did."""
        return self._asked > 0

    def _catch_signals(self, stack: ExitStack) -> None:
        """The first SIGTERM or SIGINT asks, the second cuts.

        The handler takes no lock: it may interrupt the main thread while that holds one.
        """
        ear, mouth = socket.socketpair()
        mouth.setblocking(False)
        self._ear = ear
        stack.callback(ear.close)
        stack.callback(mouth.close)
        signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, -1)

        def handle(_number: int, _frame: object) -> None:
            self._asked += 1
            if self._asked > 1:
                os._exit(1)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handle)
        unblock()

    def _wait(self, seconds: float) -> bool:
        """Wait for a signal; True when it is time to stop."""
        if not self._asked and not self._stop.is_set():
            select.select([self._ear], [], [], seconds)
        if self._asked:
            self._stop.set()
        return self._stop.is_set()

    def _open(self, stack: ExitStack) -> None:
        config = self._config
        # The relay first and last: at rest before anything else can go wrong.
        self._door = make_door(config.door)
        stack.callback(self._door.close)
        self._door.open()
        self._lamps = Lamps(config.signals, self._state)
        stack.callback(self._lamps.close)
        self._lamps.open()

        key = load_key(config.key)
        self._identity = Identity(key)
        self._state.set(identity=self._identity.document)
        self._outbox = make_outbox(config.events, key)
        self._time = TrustedTime(self._outbox)
        self._gallery = make_gallery(config.gallery, key, self._time.now)
        stack.callback(self._outbox.close)
        stack.callback(self._gallery.close)
        # What exists judges the key before it makes a file that only a wrong one would open.
        self._wiping = Wiping(config, self._gallery, self._outbox, self._state, self._end_recording)
        if config.gallery.path.exists():
            self._wiping.open_gallery()
        self._outbox.open()
        stack.callback(self._time.close)
        self._time.open()
        self._outbox.believe = self._time.clock
        self._wiping.open_gallery()
        self._wiping.tick()
        self._wiping.watch(stack)
        self._lifecycle = Lifecycle(
            config,
            key,
            self._gallery,
            self._outbox,
            self._identity,
            clock=self._time.now,
            trusted=self._time.clock,
        )
        self._journal = Journal(self._outbox, self._state)
        self._timekeeping = Timekeeping(self._time, self._journal, self._state)
        self._timekeeping.tick()
        self._open_mode(stack)
        history = History(history_path(config), key, config.history.keep_days)
        self._chronicle = Chronicle(history, self._journal, self._state)
        stack.callback(self._chronicle.close)
        self._chronicle.tick(time.monotonic())

        self._engine = Engine(config.model, config.vision)
        stack.callback(self._engine.close)
        self._engine.open()
        if self._engine.passed_over:
            self._state.degrade("model", "; ".join(self._engine.passed_over))
        manifest = self._engine.manifest
        self._engine.warm_up(np.full((480, 640, 3), 127, np.uint8))
        self._policy = make_policy(config.decision, manifest, config.gallery)
        self._index = self._gallery.index(self._engine.identity, manifest.outputs.embedding.size)
        self._move = Migration(
            config,
            self._engine,
            self._policy,
            self._gallery,
            self._index,
            self._journal,
            self._state,
        )
        stack.callback(self._move.close)
        self._move.open()
        if not self._move.configured:  # a recording is decided by one network
            self._open_recorder(stack, key)
        self._pages = Pages(config, self._policy, self._state, self._metrics)
        self._adapter = Adapter(
            config.gallery,
            self._policy,
            self._gallery,
            self._index,
            self._journal,
            quality=manifest.quality.levels.excellent,
        )
        stack.callback(self._adapter.close)
        self._adapter.open()
        self._open_access(stack, key)
        self._terminal = Terminal(
            config,
            self._policy,
            identity=self._engine.identity,
            quality=self._engine.manifest.quality.quality,
            enrolment_quality=max(manifest.quality.minimum.access, self._policy.minimum_quality),
            gallery=self._gallery,
            index=self._index,
            door=self._mode.entrance("recognised"),
            desk=self._access.desk,
            doorway=self._doorway,
            journal=self._journal,
            metrics=self._metrics,
            on_display=self._display,
            on_step=self._step,
            on_mark=self._mark,
            now=self._time.now,
            look_on_s=LOOK_ON_S if self._recorder is not None else 0.0,
            on_look=self._pages.look,
            move=self._move if self._move.configured else None,
        )
        self._errands = Errands(
            self._begun,
            self._outbox,
            self._journal,
            self._state,
            manifest,
            lambda: self._index.people,
            restarts=self._restarts,
            fire=lambda: self._mode.in_fire,
        )
        stack.callback(self._errands.close)
        self._photo_desk = PhotoDesk(
            config,
            self._engine,
            self._policy,
            gallery=self._gallery,
            index=self._index,
            journal=self._journal,
            again=self._move.again,
            twin=self._move.twin,
        )
        self._pages.open(stack, self._terminal.enrolling.answer, self._access.typed)
        self._state.set(software=__version__, model=self._engine.identity)
        self._refresh_facts()
        self._open_link(stack)
        self._journal.record("terminal.started", software=__version__, model=self._engine.identity)
        stack.callback(self._say_stopping)
        self._open_threads(stack)

    def _open_mode(self, stack: ExitStack) -> None:
        self._mode = DoorMode(
            self._outbox,
            self._door,
            self._journal,
            self._state,
            self._time,
            may_forget=self._config.events.on_write_failure == "grant",
            tell=self._tell_relay,
            settings=self._config.door,
            schedules=Calendar.of(self._config) if self._config.door.timetable else None,
            sure=lambda: self._time.document()["source"] != "unknown",
        )
        stack.callback(self._mode.close)
        self._mode.open()

    def _open_access(self, stack: ExitStack, key: Secret) -> None:
        config, identity, move = self._config, self._engine.identity, self._move
        self._doorway = Doorway(
            config,
            digest=policy_digest(self._policy, config.decision.profile, identity),
            model=lambda: move.spoke if move.configured else identity,
            gallery=self._gallery,
            journal=self._journal,
            metrics=self._metrics,
        )
        self._access = AccessParts(
            House(
                config=config,
                lines=self._lines,
                key=key,
                identity=self._identity,
                outbox=self._outbox,
                time=self._time,
                gallery=self._gallery,
                index=self._index,
                policy=self._policy,
                mode=self._mode,
                journal=self._journal,
                state=self._state,
                doorway=self._doorway,
            )
        )
        stack.callback(self._access.close)
        self._access.open()
        self._access.desk.on_change = self._redisplay

    def _open_recorder(self, stack: ExitStack, key: Secret) -> None:
        manifest, identity = self._engine.manifest, self._engine.identity
        try:
            self._recorder = open_recorder(
                self._config,
                key,
                header_of(self._config, self._policy, manifest, identity),
                floor=self._policy.floor_different,
                index=self._index,
                gallery=self._gallery,
                on_fault=lambda reason: self._state.degrade("recording", reason),
                stack=stack,
            )
        except StorageError as fault:  # a door without its recording is still a door
            log.error("nothing is recorded: %s", fault)
            self._state.degrade("recording", str(fault))

    def _end_recording(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
            self._state.degrade("recording", "wiped with the gallery; restart to record again")

    def _step(self, observation: Observation, fused: FusedMatch | None, step: Step) -> None:
        """From the vision thread, for each frame that the decision saw."""
        if step.summary is not None:
            self._chronicle.note(step.summary)
            self._metrics.presented(step.summary)
        if self._recorder is not None:
            self._recorder.step(observation, fused, step)
        self._move.step(step)
        self._adapter.step(fused, step)
        self._pages.step(observation, fused, step)

    def _mark(self, mark: Held | Forgot) -> None:
        """From the vision thread: what else changed the decision's mind."""
        if self._recorder is not None:
            self._recorder.mark(mark)

    def _open_link(self, stack: ExitStack) -> None:
        settings = self._config.mqtt
        if settings is None:
            log.info("no mqtt configured: events stay on the terminal")
            return
        topics = topics_of(self._config)
        orders = Orders(
            self._config,
            self._journal,
            self._mode,
            self._terminal,
            self._photo_desk,
            self._tell_relay,
        )
        people = PeopleOrders(
            self._config.gallery, self._gallery, self._lifecycle, clock=self._time.now
        )
        handlers = orders.handlers() | people.handlers() | self._wiping.handlers()
        handlers |= self._errands.handlers() | self._access.handlers()
        handlers = with_pins_opened(handlers, self._identity, topics.audience)
        desk = self._desk = CommandDesk(settings, topics, self._outbox, self._state, self._time)
        stack.callback(desk.close)

        def deafen(seconds: float) -> None:
            link.deafen(seconds)

        commands = desk.open(handlers, deafen)
        self._errands.trust(desk.keyring)
        self._access.trust(desk.keyring)

        def send(kind: str, message: bytes) -> bool:
            return link.publish_sync(kind, message)

        follow = self._open_follow(stack, settings, topics, send)
        link = Link(
            settings,
            topics,
            self._outbox,
            commands.submit,
            lambda: self._about,
            self._time.clock,
            feed=follow,
            signer=self._identity,
            on_desired=self._errands.desired.take,
            on_trouble=self._broker_refuses,
            announcements=announcements(topics, settings),
            subscriptions=self._access.subscriptions,
        )
        self._access.connect(link.publish)
        self._errands.parts.update(self._diagnostics(link, commands))
        stack.callback(link.close)
        link.set_state(self._state.document())
        link.open()
        self._state.on_change = lambda: link.set_state(self._state.document())

    def _broker_refuses(self, what: str | None) -> None:
        """From the link's thread: some messages do not get through, the others do."""
        if what is None:
            self._state.restore("link")
        else:
            self._state.degrade("link", what)

    def _diagnostics(self, link: Link, commands: Commands) -> dict[str, Callable[[], Any]]:
        """Facts for whoever looks after the terminal; each is asked when it is wanted."""
        mode, camera = self._mode, self._config.camera
        return {
            "clock": self._time.document,
            "link": lambda: asdict(link.status()),
            "commands": lambda: commands.counts,
            "degraded": lambda: self._state.degraded,
            "door": mode.document,
            "gallery": lambda: {
                "people": self._index.people,
                "revision": self._gallery.revision,
            },
            "camera": lambda: {
                "driver": camera.driver,
                "status": self._camera.state.status,
                "frames": self._frames,
                "faults": self._camera.faults,
                "dropped": self._mailbox.dropped,
            },
            "model": lambda: {
                "identity": self._engine.identity,
                "runtime": self._engine.runner_info.runtime,
                "version": self._engine.runner_info.version,
                "device": self._engine.runner_info.device,
            },
            "counts": self._metrics.counts,
            "stages_ms": self._metrics.stages_ms,
        }

    def _open_follow(
        self,
        stack: ExitStack,
        settings: Mqtt,
        topics: Topics,
        send: Callable[[str, bytes], bool],
    ) -> Follow | None:
        if settings.sync is None:
            return None
        follow = self._follow = Follow(
            settings,
            topics.audience,
            self._gallery,
            self._identity,
            self._state,
            send,
            on_idle=self._compare,
            keyring=self._desk.keyring if self._desk is not None else None,
        )
        stack.callback(follow.close)
        follow.open()
        self._journal.on_record = follow.recorded
        return follow

    def _compare(self) -> bool:
        """From the site log's thread: who came from the site may resemble somebody."""
        if self._config.gallery.lookalikes == "off":
            return False
        level = self._policy.nearness(self._index.people).lookalike
        try:
            return catch_up(self._gallery, self._index, level)
        except GalleryError:  # somebody was removed this moment
            return True

    def _open_threads(self, stack: ExitStack) -> None:
        self._camera = open_camera(self._config.camera, self._camera_changed)
        for name, work in (("camera", self._capture), ("vision", self._look)):
            thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            stack.callback(self._join, thread)
            thread.start()
        stack.callback(self._mailbox.close)
        stack.callback(self._stop.set)

    def _join(self, thread: threading.Thread) -> None:
        thread.join(_LONGEST_END_S)
        if thread.is_alive():
            log.error("the %s thread does not end", thread.name)
            self._crashed = True

    def _say_stopping(self) -> None:
        self._terminal.close()
        self._journal.record("terminal.stopped", crashed=self._crashed)

    def _guarded(self, work: Any) -> None:
        """The edge of a thread: what nobody foresaw ends the process, which is restarted."""
        try:
            work()
        except Exception:
            log.exception("the %s thread failed", threading.current_thread().name)
            self._crashed = True
            self._stop.set()

    def _capture(self) -> None:
        """The camera's thread: the newest frame waits for the vision thread."""
        whole = self._camera.consumer_is_clock
        for frame in self._camera.frames(self._stop):
            self._errands.look(frame)
            self._access.look(frame)
            self._mailbox.put(frame, wait=whole)
        self._mailbox.close()

    def _look(self) -> None:
        """The vision thread."""
        vision = self._engine.vision(self._policy, self._move.again)
        while not self._stop.is_set():
            frame = self._mailbox.take(_TICK_S)
            if frame is None and self._mailbox.closed:
                self._ended = True
                return
            try:
                self._photo_desk.serve()
                if frame is None:
                    self._terminal.idle()
                else:
                    self._terminal.process(frame, vision)
            except RuntimeFault as fault:
                self._reopen_engine(fault)
                if not self._stop.is_set():
                    vision = self._engine.vision(self._policy, self._move.again)
                continue
            self._beat += 1
            if frame is not None:
                self._frames += 1
                self._metrics.count("frames")

    def _reopen_engine(self, fault: RuntimeFault) -> None:
        """Nobody is recognised meanwhile; commands, exit and MQTT work on."""
        log.error("inference failed: %s; reopening the networks", fault)
        self._state.degrade("runtime", str(fault))
        self._journal.record("runtime.lost", reason=str(fault))
        delay_s = 0.5
        while not self._stop.wait(delay_s):
            self._beat += 1
            delay_s = min(delay_s * 2, 5.0)  # well within WatchdogSec
            try:
                self._engine.close()
                self._engine.open()
            except (BundleError, RuntimeFault) as again:  # the former by its self-test
                self._state.degrade("runtime", str(again))
            else:
                break
        if self._stop.is_set():
            return
        self._terminal.forget()
        self._state.restore("runtime")
        self._journal.record("runtime.back")
        log.warning("the networks run again")

    def _supervise(self) -> None:
        """The main thread: readiness, watchdog, and what changes without anybody telling us."""
        started_s = time.monotonic()
        interval_s = watchdog_interval_s()
        ready = False
        watch = Watch(started_s)
        while not self._wait(_TICK_S if ready else 0.02):
            now_s = time.monotonic()
            if watch.look(now_s, self._beat, self._camera.beat) and interval_s is not None:
                notify("WATCHDOG=1")
            camera_gone = self._camera.state.status == "lost"
            if not ready and (self._frames or camera_gone or now_s - started_s > _FIRST_FRAME_S):
                ready = True
                notify("READY=1")
                settled()
                log.info("ready after %.2f s", now_s - started_s)
            if now_s - watch.moved_s > _STALLED_S:
                if self._state.degrade("pipeline", "no frame was processed for some time"):
                    log.error("the pipeline stands still")
            elif self._state.restore("pipeline"):
                log.warning("the pipeline moves again")
            if self._ended:
                log.info("the recording ended: %s", self._camera.state.reason)
                return
            self._mode.tick()
            self._access.tick()
            if ready:
                self._refresh()
                self._lamps.show()
                self._errands.tick()
            if self._errands.restart.due:
                return
            self._chronicle.tick(now_s)

    def _refresh(self) -> None:
        """Take over what the command line changed in the gallery; tell how things stand."""
        try:
            if self._gallery.changed():
                self._gallery.refresh()
            self._timekeeping.tick()
            self._wiping.tick()
            self._lifecycle.tick(self._state)
            if self._desk is not None:
                self._desk.tick()
            self._refresh_facts()
        except StorageError as fault:
            if self._state.degrade("storage", str(fault)):
                log.error("an encrypted file cannot be read: %s", fault)
        else:
            self._state.restore("storage")

    def _tell_relay(self) -> None:
        self._state.set(door=self._mode.document())

    def _refresh_facts(self) -> None:
        self._tell_relay()
        people = self._index.people
        door = self._door.describe()
        if door.get("fault"):
            self._state.degrade("door", str(door["fault"]))
        else:
            self._state.restore("door")
        revision = self._gallery.revision
        self._about = {"model": self._engine.identity, "gallery": revision}
        self._state.set(
            gallery={
                "revision": revision,
                "people": people,
                **(self._follow.facts if self._follow is not None else {}),
            },
            decision=stated_risk(
                self._config.decision, self._policy, people, self._chronicle.not_granted_per_day
            ),
            waiting_events=self._outbox.depth,
        )

    def _camera_changed(self, state: CameraState) -> None:
        """From the camera's thread: told once when lost and once when back."""
        if state.status == "lost":
            others = self._access.desk.blind_but_open
            hint = "" if others is None else f"; {others} can still be shown"
            self._state.degrade("camera", state.reason + hint)
            self._journal.record("camera.lost", reason=state.reason)
        elif self._state.restore("camera"):
            self._journal.record("camera.back")

    def _display(self, display: Display) -> None:
        """From the vision thread."""
        self._faced = display
        self._tell_relay()
        self._redisplay()

    def _redisplay(self) -> None:
        """From any thread: what the face comes to, and what else is asked for or decided."""
        with self._displaying:
            display = self._access.desk.dress(self._faced)
            if display == self._shown:
                return
            self._shown = display
            self._lamps.show(display)
            self._errands.show(display)
            log.debug("display phase=%s instruction=%s", display.phase, display.instruction)
            self._pages.show(display)
