"""Items as JSON documents, the embeddings aside: the same in the encrypted file and in tests.

Floats come back bit for bit, also those that are no numbers (as ``NaN``, which Python's JSON
reads and writes).
"""

from __future__ import annotations

from dataclasses import asdict, astuple, fields
from typing import TYPE_CHECKING, Any

from edged.decision.policy import Policy
from edged.decision.presentation import Kind, Outcome, Phase, Rule
from edged.errors import StorageError
from edged.recording.items import Forgot, Gap, Held, Seen
from edged.types import (
    Box,
    Candidate,
    Defect,
    Face,
    FusedMatch,
    Instruction,
    Match,
    Measures,
    Observation,
    Pose,
    RiskPoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.recording.items import Item
    from edged.types import Floats

Document = dict[str, Any]


def write_item(item: Item, who: Callable[[str], int | str]) -> Document:
    """An item as a document; of an embedding it only says that there is one.

    Args:
        item: a frame or a mark.
        who: what stands for a person.
    """
    if isinstance(item, Held):
        person = None if item.person_id is None else who(item.person_id)
        return {"is": "held", "t": item.t_s, "who": person}
    if isinstance(item, Forgot):
        return {"is": "forgot"}
    if isinstance(item, Gap):
        return {"is": "gap", "frames": item.frames}
    document: Document = {
        "is": "seen",
        "wall": item.wall,
        **_write_observation(item.observation),
        "phase": item.phase.value,
        "people": item.people,
        "revision": item.revision,
    }
    if item.fused is not None:
        document["fused"] = _write_fused(item.fused, who)
    if item.outcome is not None:
        document["outcome"] = write_outcome(item.outcome, who)
    return document


def has_embedding(document: Document) -> bool:
    """Whether `read_item` is to be given the next embedding."""
    return bool(document.get("embedding"))


def read_item(
    document: Document, who: Callable[[int | str], str], embedding: Floats | None
) -> Item:
    """The inverse of `write_item`.

    Raises:
        StorageError: this is no item that this software knows.
    """
    try:
        kind = document["is"]
        if kind == "seen":
            return _read_seen(document, who, embedding)
        if kind == "held":
            person = document["who"]
            return Held(float(document["t"]), None if person is None else who(person))
        if kind == "forgot":
            return Forgot()
        if kind == "gap":
            return Gap(int(document["frames"]))
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise StorageError(f"a recorded frame cannot be read ({fault}); {_UPDATE}") from fault
    raise StorageError(f"a recorded frame of an unknown kind; {_UPDATE}")


_UPDATE = "update edged, or record anew"


def _read_seen(
    document: Document, who: Callable[[int | str], str], embedding: Floats | None
) -> Seen:
    fused, outcome = document.get("fused"), document.get("outcome")
    return Seen(
        wall=float(document["wall"]),
        observation=_read_observation(document, embedding),
        fused=None if fused is None else _read_fused(fused, who),
        phase=Phase(document["phase"]),
        outcome=None if outcome is None else read_outcome(outcome, who),
        people=int(document["people"]),
        revision=int(document["revision"]),
    )


def _write_observation(seen: Observation) -> Document:
    document: Document = {"t": float(seen.t_s), "seq": int(seen.seq), "faces": int(seen.faces)}
    optional = {
        "track": seen.track_id,
        "face": None if seen.face is None else _write_face(seen.face),
        "defects": [defect.value for defect in seen.defects] or None,
        "gains": [float(gain) for gain in seen.gains] or None,
        "measures": None if seen.measures is None else _floats(astuple(seen.measures)),
        "log_variance": None if seen.log_variance is None else float(seen.log_variance),
        "quality": None if seen.quality is None else float(seen.quality),
        "embedding": True if seen.embedding is not None else None,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def _read_observation(document: Document, embedding: Floats | None) -> Observation:
    face, measures = document.get("face"), document.get("measures")
    return Observation(
        t_s=float(document["t"]),
        seq=int(document["seq"]),
        faces=int(document["faces"]),
        track_id=document.get("track"),
        face=None if face is None else _read_face(face),
        defects=tuple(Defect(name) for name in document.get("defects", ())),
        embedding=embedding,
        log_variance=document.get("log_variance"),
        quality=document.get("quality"),
        gains=tuple(document.get("gains", ())),
        measures=None if measures is None else Measures(*measures),
    )


def _floats(values: tuple[Any, ...]) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def _write_face(face: Face) -> list[list[float | None]]:
    marks = tuple(number for point in face.landmarks for number in point)
    return [_floats(astuple(face.box)), _floats(marks), _floats((face.score, *astuple(face.pose)))]


def _read_face(parts: list[list[float]]) -> Face:
    box, marks, (score, *pose) = parts
    a, b, c, d, e = zip(marks[::2], marks[1::2], strict=True)
    return Face(Box(*box), (a, b, c, d, e), score, Pose(*pose))


def _write_fused(fused: FusedMatch, who: Callable[[str], int | str]) -> Document:
    return {
        "best": [_write_candidate(c, who) for c in fused.match.candidates],
        "people": int(fused.match.people),
        "quality": float(fused.quality),
        "views": int(fused.views),
        **({"claimed": True} if fused.match.claimed else {}),
    }


def _write_candidate(one: Candidate, who: Callable[[str], int | str]) -> list[Any]:
    """Who, how similar, and a third only if they are marked as a lookalike."""
    return [who(one.person_id), float(one.similarity), *([True] if one.lookalike else [])]


def _read_fused(document: Document, who: Callable[[int | str], str]) -> FusedMatch:
    candidates = tuple(
        Candidate(who(person), value, bool(marks)) for person, value, *marks in document["best"]
    )
    match = Match(candidates, document["people"], claimed=bool(document.get("claimed")))
    return FusedMatch(match, document["quality"], document["views"])


def write_outcome(outcome: Outcome, who: Callable[[str], int | str]) -> Document:
    """A decision as a document."""
    document = asdict(outcome)
    document["kind"] = outcome.kind.value
    document["instructions"] = [instruction.value for instruction in outcome.instructions]
    document["defects"] = {defect.value: frames for defect, frames in outcome.defects.items()}
    document["person_id"] = None if outcome.person_id is None else who(outcome.person_id)
    if not outcome.lookalike:
        del document["lookalike"]
    return document


def read_outcome(document: Document, who: Callable[[int | str], str]) -> Outcome:
    """The inverse of `write_outcome`; what older software did not tell has its default."""
    told = dict(document)
    person = told["person_id"]
    told["kind"] = Kind(told["kind"])
    told["person_id"] = None if person is None else who(person)
    told["instructions"] = tuple(Instruction(name) for name in told["instructions"])
    told["defects"] = {Defect(name): frames for name, frames in told.get("defects", {}).items()}
    told["rule"] = None if told.get("rule") is None else Rule(told["rule"])
    return Outcome(**told)


def write_policy(policy: Policy) -> Document:
    """A policy as a document, its curve included."""
    document = asdict(policy)
    document["curve"] = [[point.fmr, point.similarity] for point in policy.curve]
    return document


def read_policy(document: Document) -> Policy:
    """The inverse of `write_policy`; what older software did not know has its default.

    Raises:
        StorageError: this is no policy, or one of newer software.
    """
    known = {field.name for field in fields(Policy)}
    if unknown := sorted(set(document) - known):
        raise StorageError(
            f"the recorded policy has {', '.join(unknown)}, which this software does not know; "
            "update edged"
        )
    try:
        curve = tuple(RiskPoint(fmr, similarity) for fmr, similarity in document["curve"])
        return Policy(**(document | {"curve": curve}))
    except (KeyError, TypeError, ValueError) as fault:
        raise StorageError(f"the recorded policy cannot be read ({fault}); record anew") from fault
