"""Every type of event that there is: when it is recorded, what it says, and an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.mqtt.contract import (
    areas,
    attendance,
    bundles,
    control,
    doors,
    interlock,
    people,
    visit,
)
from edged.mqtt.contract import happenings as told
from edged.mqtt.contract.access import Access, Duress, LockedOut
from edged.mqtt.contract.known_key import jws, public_key

if TYPE_CHECKING:
    from edged.mqtt.contract.fields import Told

MODEL = "mobilefacenet-rts@1.1.0#30ae6c34721e"
NEXT_MODEL = "mobilefacenet-rts@1.2.0#9f2c11d04b7a"
LOST, LAST_LOST = 100, "2oBIWMGFqC-2yxCqdL5_m2HR2gAX8Q3uLZkzlYJ1rqk"
COMMAND = "4Qj1vZ0s8mYw2nKxT3bRpA"


def receipt() -> str:
    """Of an erasure; what is in it stands in docs/people.md."""
    claims = {
        "jti": "0f8d4ac1f2b94ab7b6c8a7b0d7a3c9e1",
        "iss": "hq/door-1",
        "sub": "4711",
        "at": "2026-03-01T08:00:20Z",
        "reason": "request",
        "templates": 3,
        "revision": 2432,
        "key": "destroyed",
    }
    return jws(claims, public_key()["id"], "edged-erasure+jwt")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of event: the model of its ``data``, when it is recorded, and example data."""

    data: type[Told]
    when: str
    example: dict[str, Any]


_SEEN: dict[str, Any] = {
    "reason": "matched",
    "similarity": 0.912,
    "runner_up": 0.311,
    "threshold": 0.6503,
    "implied_fpir": 0.003,
    "people": 812,
    "margin": 0.03,
    "lookalike": False,
    "quality": 0.981,
    "fused_quality": 0.992,
    "frames": 3,
    "duration_s": 0.41,
    "instructions": [],
    "profile": "access",
    "model": MODEL,
    "by": {"rule": "staff", "line": 41},
    "factors": ["face"],
    "reader": None,
    "direction": "in",
}
_WHO = {"person_id": "4711"}
_DOUBT = {**_SEEN, "reason": "doubtful", "similarity": 0.61, **_WHO}
_BY = {"person_id": "4711", "command": COMMAND}
_MOVE = {"from": MODEL, "to": NEXT_MODEL, "people": 812}
_DRIFT = {
    "what": "light",
    "defect": "backlit",
    "at": "07:30",
    "days": 4,
    "share": 0.62,
    "presentations": 58,
    "since": "2026-02-25",
}
_FIGURES = {
    "similarity": {"worse": 14, "better": 2, "equal": 9, "chance": 0.0021},
    "granted": {"missed": 6, "saved": 0, "chance": 0.016},
    "quality": {"lower": 11, "not_lower": 14},
}

ACCESS = {
    "access.granted": Kind(
        Access, "A person was recognised; the relay is told to open.", {**_SEEN, **_WHO}
    ),
    "access.denied": Kind(
        Access,
        "Nobody was recognised, or the door's mode lets nobody in.",
        {**_SEEN, "reason": "not_enrolled", "similarity": 0.312},
    ),
    "access.review": Kind(
        Access, "Somebody was recognised doubtfully, and the site has to decide.", _DOUBT
    ),
    "access.second_factor": Kind(
        Access,
        "Somebody was recognised doubtfully, and the site asks for a second factor; it may answer "
        "with `door.unlock`.",
        _DOUBT,
    ),
    "access.duress": Kind(
        Duress,
        "Somebody let in by a PIN or card that says that they are forced; silent at the door.",
        {**_WHO, "reader": "keypad", "direction": "in", "opened": True},
    ),
    "access.locked_out": Kind(
        LockedOut,
        "Somebody was wrong too often: for a while nothing they show is looked at.",
        {"what": "person", **_WHO, "reader": "keypad", "rest_s": 15.0, "unseen": 0},
    ),
    "capture.retake": Kind(
        Access,
        "No usable view for `decision.retake_after_s`; or doubt, and one more try.",
        {
            **_SEEN,
            **dict.fromkeys(("similarity", "runner_up", "threshold", "implied_fpir", "people")),
            "reason": "come_closer",
            "quality": None,
            "fused_quality": None,
            "frames": 0,
            "duration_s": 3.02,
            "instructions": ["come_closer"],
        },
    ),
}

OTHERS = {
    "terminal.started": Kind(
        told.Started, "The terminal works.", {"software": "0.1.0", "model": MODEL}
    ),
    "terminal.stopped": Kind(told.Stopped, "The terminal ends.", {"crashed": False}),
    "camera.lost": Kind(told.Lost, "No frames come.", {"reason": "the camera does not answer"}),
    "camera.back": Kind(told.Nothing, "Frames come again.", {}),
    "panel.lost": Kind(
        told.Lost,
        "The panel of the section `panel` does not ask, or has another key: nobody is let in.",
        {"reason": "no panel asks on /dev/ttyUSB0; check its cable and address"},
    ),
    "panel.back": Kind(told.Nothing, "The panel asks again, in the secure channel.", {}),
    "runtime.lost": Kind(told.Lost, "Inference failed.", {"reason": "the network returned NaN"}),
    "runtime.back": Kind(told.Nothing, "Inference works again.", {}),
    "capture.drift": Kind(told.Drift, "Something has been going wrong for days.", _DRIFT),
    "capture.drift_over": Kind(told.Drift, "Three days with data were without it.", _DRIFT),
    "door.unlocked": Kind(
        told.Unlocked,
        "A command opens the door.",
        {"command": COMMAND, "key": "controller", "cause": "parcel"},
    ),
    "door.fault": Kind(
        told.DoorFault, "The relay did not obey.", {"reason": "line 17: no such device"}
    ),
    "enrol.started": Kind(
        people.EnrolStarted, "An enrolment waits for the person.", {**_BY, "confirm": "turn"}
    ),
    "enrol.completed": Kind(
        people.EnrolCompleted,
        "The person is enrolled.",
        {
            **_BY,
            "views": 3,
            "kinds": ["frontal", "left", "right"],
            "quality": 0.87,
            "confirmed": "turn",
            "warnings": [],
        },
    ),
    "enrol.failed": Kind(
        people.EnrolFailed,
        "The person is not enrolled.",
        {**_BY, "reason": "timed_out", "text": "nobody could be enrolled in time"},
    ),
    "gallery.erased": Kind(
        people.Erased,
        "Somebody's key was destroyed, and with it all that the gallery held of them.",
        {
            **_WHO,
            "reason": "request",
            "at": "2026-03-01T08:00:20Z",
            "templates": 3,
            "receipt": receipt(),
        },
    ),
    "gallery.adapted": Kind(
        people.Adapted,
        "A template followed somebody who agreed to it.",
        {**_WHO, "templates": 4, "similarity": 0.8731, "quality": 0.9312},
    ),
    "gallery.wiped": Kind(
        people.Wiped,
        "The gallery destroyed itself; nobody is enrolled any more.",
        {"reason": "command", "at": "2026-03-01T08:00:21.310Z", "people": 812},
    ),
    "model.move_started": Kind(bundles.MoveStarted, "People move to the next bundle.", _MOVE),
    "model.moved": Kind(
        bundles.Moved, "Another tenth of them has moved.", {**_MOVE, "moved": 91, "percent": 10}
    ),
    "model.move_completed": Kind(bundles.MoveCompleted, "Everybody has moved.", _MOVE),
    "model.move_rolled_back": Kind(
        bundles.MoveRolledBack,
        "The next bundle did worse, and is not used.",
        {
            "from": MODEL,
            "to": NEXT_MODEL,
            "reason": "it recognises people worse",
            "figures": _FIGURES,
        },
    ),
    "command.refused": Kind(
        control.CommandRefused,
        "A command was not obeyed.",
        {
            "command": "door.unlock",
            "id": None,
            "key": None,
            "reason": "bad_signature",
            "text": "the signature is not this key's over this text",
            "unrecorded": 0,
        },
    ),
    "command.awaiting_second": Kind(
        control.AwaitingSecond,
        "A command that takes two people (`mqtt.commands.two_person`) waits for the second.",
        {
            "command": "gallery.wipe",
            "id": COMMAND,
            "key": "controller",
            "expires": "2026-03-01T08:05:29Z",
        },
    ),
    "command.approved": Kind(
        control.Approved,
        "The second has sent the same; it is obeyed.",
        {
            "command": "gallery.wipe",
            "ids": [COMMAND, "yQ8Zs0tqK2v1n5Dd7LwR4A"],
            "keys": ["controller", "guard"],
        },
    ),
    "command.flood": Kind(
        control.Flood,
        "So many messages came on `cmd/+` that the terminal listens to none for a while.",
        {"pause_s": 5.0},
    ),
    "command.key_rotated": Kind(
        control.KeyRotated,
        "A key was replaced by a new one (`keys.rotate`).",
        {
            "id": "controller",
            "replaced_by": "controller-2026",
            "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwaaPJHURo0",
            "until": "2026-03-01T09:00:00Z",
            "command": COMMAND,
            "key": "controller",
        },
    ),
    "command.key_revoked": Kind(
        control.KeyRevoked,
        "A key counts no more (`keys.revoke`).",
        {"id": "guard", "command": COMMAND, "key": "controller"},
    ),
    "command.keys_reset": Kind(
        control.KeysReset,
        "Somebody at the terminal had it forget what changed of the keys over MQTT.",
        {"keys": ["controller", "guard"]},
    ),
    "settings.applied": Kind(
        control.Applied, "Desired settings are in force.", {"revision": 7, "key": "controller"}
    ),
    "settings.refused": Kind(
        control.NotApplied,
        "Desired settings were refused.",
        {
            "revision": 6,
            "key": "controller",
            "reason": "older",
            "text": "revision 7 was accepted before, this one is older",
        },
    ),
    "door.mode_changed": Kind(
        told.ModeChanged,
        "Another mode of the door is in force, by `door.mode` or by the timetable.",
        {
            "mode": "secured",
            "before": "normal",
            "by": "command",
            "command": COMMAND,
            "key": "controller",
            "cause": "night",
            "until": "2026-03-01T09:00:00.000Z",
        },
    ),
    "camera.snapshot": Kind(
        told.Looked,
        "Somebody took a picture through the camera (`snapshot`).",
        {"command": COMMAND, "key": "controller", "sealed_to": "brCdyBL8n_0ZXzyv"},
    ),
    "model.installed": Kind(
        bundles.Installed,
        "A bundle that came over MQTT is in the store.",
        {
            "action": "install",
            "command": COMMAND,
            "key": "controller",
            "identity": NEXT_MODEL,
            "before": MODEL,
            "changed": True,
            "used": True,
        },
    ),
    "model.install_failed": Kind(
        bundles.InstallFailed,
        "A bundle that came over MQTT was refused; nothing changed.",
        {
            "action": "install",
            "command": COMMAND,
            "key": "controller",
            "reason": "bundle",
            "text": "no key of model.trusted_keys signed it",
        },
    ),
    "terminal.restarting": Kind(
        told.Restarting,
        "The terminal begins anew.",
        {"by": "command", "command": COMMAND, "key": "controller", "cause": "update"},
    ),
    "clock.jumped": Kind(
        told.ClockJumped,
        "The clock was set by more than five seconds.",
        {"from": "2026-03-01T07:00:00Z", "to": "2026-03-01T08:00:00Z", "source": "ntp"},
    ),
    "clock.reset": Kind(
        told.ClockReset,
        "Somebody at the terminal had it forget how late it had been for certain.",
        {"from": "2031-01-01T00:00:00Z", "to": "2026-03-01T08:00:00Z", "source": "unknown"},
    ),
    "events.gap": Kind(
        told.Gap,
        "The log was full, and the oldest events are lost.",
        {
            "count": LOST,
            "from_seq": 1,
            "to_seq": LOST,
            "reason": "capacity",
            "last_hash": LAST_LOST,
        },
    ),
}

ATTENDANCE = {
    "attendance.punched": Kind(
        attendance.Punched,
        "Somebody was let in, and `attendance` is configured: a punch, or one more presentation "
        "of it (`folds`).",
        attendance.PUNCHED,
    ),
    "attendance.corrected": Kind(
        attendance.Corrected,
        "A punch was corrected (`attendance.correct`, `edged attendance correct`).",
        attendance.CORRECTED,
    ),
}

_ORDER = 1_772_352_020_310

AREAS = {
    "access.passed": Kind(
        areas.Passed,
        "Somebody passed the door; their place is another one now.",
        {
            **_WHO,
            "direction": "in",
            "area": "lab",
            "groups": ["staff"],
            "passback": False,
            "order": _ORDER,
        },
    ),
    "access.not_entered": Kind(
        areas.NotEntered,
        "Somebody was granted, and the door was not opened.",
        {**_WHO, "direction": "in"},
    ),
    "area.changed": Kind(
        areas.AreaChanged,
        "Somebody is said to be elsewhere (`area.set`), or where everybody is was forgotten.",
        {
            **_WHO,
            "area": None,
            "by": "command",
            "command": COMMAND,
            "key": "controller",
            "order": _ORDER,
        },
    ),
}

READERS = {
    "reader.lost": Kind(
        interlock.ReaderLost,
        "A reader of `readers` cannot be used, or is not to be believed.",
        interlock.LOST,
    ),
    "reader.back": Kind(interlock.ReaderBack, "It works again.", interlock.BACK),
    "door.interlocked": Kind(
        interlock.Interlocked,
        "The door stays shut because of the other door of `door.interlock`.",
        interlock.INTERLOCKED,
    ),
}

DOORS = {
    "door.opened": Kind(
        doors.Opened, "The door was opened while it might be.", {"causes": ["recognised"]}
    ),
    "door.closed": Kind(doors.Closed, "The door was shut.", {"open_s": 4.2}),
    "door.forced": Kind(told.Nothing, "The door was opened, and nothing allowed it.", {}),
    "door.pre_alarm": Kind(
        doors.WillAlarm,
        "The door will soon have been open for too long.",
        {"open_s": 20.0, "alarm_in_s": 10.0},
    ),
    "door.held_open": Kind(
        doors.StaysOpen, "The door has been open for too long.", {"open_s": 30.0}
    ),
    "door.alarm_over": Kind(
        doors.AlarmOver,
        "A forced door was shut, or one that was open for too long was shut or may be open now.",
        {"alarm": "held_open", "lasted_s": 12.5},
    ),
    "door.exit": Kind(doors.ExitPressed, "The button inside was pressed.", {"refused": None}),
    "door.fire": Kind(told.Nothing, "The fire alarm has the door unlocked.", {}),
    "door.fire_over": Kind(told.Nothing, "The fire alarm is over.", {}),
    "door.tamper": Kind(told.Nothing, "The case was opened.", {}),
    "door.tamper_over": Kind(told.Nothing, "The case is shut.", {}),
    "door.input_fault": Kind(
        doors.InputFault,
        "An input of the door cannot be read or flickers, or is well again.",
        {"input": "contact", "fault": "flickers", "text": "it changes faster than can be read"},
    ),
}

CODES = {
    "access.code_used": Kind(
        visit.CodeUsed, "Somebody is let in by a visitor's code, which is used up now.", visit.USED
    ),
}

EVENTS: dict[str, Kind] = DOORS | ACCESS | CODES | AREAS | ATTENDANCE | READERS | OTHERS
