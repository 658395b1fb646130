"""Many people into the gallery from their photos, as fast as the cores allow."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from edged.errors import GalleryError
from edged.gallery.people import Enrolment
from edged.service.enrolling import enrol, reason_of
from edged.service.ledger import Entry
from edged.service.photos import (
    NOBODY_KNOWS,
    NOT_THEM,
    SOURCE,
    Refused,
    View,
    levels,
    merged_profile,
    sort_out,
)
from edged.service.policy import make_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edged.config.schema import Config
    from edged.gallery.people import Person
    from edged.gallery.profile import Profile
    from edged.gallery.store import Gallery
    from edged.service.ledger import Ledger, Outcome
    from edged.service.sources import Someone
    from edged.service.workers import Looked, Workers

_BATCH_TEMPLATES, _BATCH_S = 200, 2.0


@dataclass(slots=True)
class Told:
    """How far an import is, and what came of it.

    Attributes:
        images, people: in all.
        done: images that are settled.
        outcomes: of these, by outcome.
        reasons: of the refused, by reason.
        held: people of whom the gallery holds one of these images or more.
        warnings: what the enroller ought to know, as `enrol` gives it.
    """

    images: int
    people: int
    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)
    warnings: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Ready:
    """A person who waits to be committed, and the lines by which that will be told."""

    id: str
    views: list[View]
    profile: Profile | None
    lines: list[Entry]
    image: str


class Import:
    """Decides and writes, in the caller's thread, what `Workers` found.

    Args:
        gallery: open.
        workers: open.
        ledger: open; knows what is settled, and is told what is done.
        given: of everybody, where the source says nothing else; as `read_profile` takes it.
        write: whether anything is put into the gallery.
        progress: called now and then.
    """

    def __init__(
        self,
        config: Config,
        gallery: Gallery,
        workers: Workers,
        ledger: Ledger,
        *,
        given: Mapping[str, Any],
        write: bool = True,
        progress: Callable[[Told], None] = lambda _: None,
    ) -> None:
        engine = workers.engine
        self._settings = config.gallery
        self._gallery = gallery
        self._workers = workers
        self._ledger = ledger
        self._given = given
        self._write = write
        self._progress = progress
        self._policy = make_policy(config.decision, engine.manifest, config.gallery)
        self._levels = levels(engine.manifest, self._policy)
        self._model = engine.identity
        self._index = gallery.index(self._model, engine.manifest.outputs.embedding.size)
        self._told = Told(0, 0)
        self._ready: list[_Ready] = []
        self._lines: list[Entry] = []
        self._since_s = time.monotonic()
        self._believed: set[str] = set()
        self._owner: dict[str, str] = {}

    def run(self, people: Sequence[Someone]) -> Told:
        """Enrol them all. Whatever ends this, the gallery holds some of them whole, and going on
        is to run it again.

        Raises:
            StorageError: the gallery or the report cannot be written.
            RuntimeFault: an inference runtime failed.
        """
        self._told = Told(sum(len(someone.photos) for someone in people), len(people))
        self._believe()
        for someone, looked in self._workers.look(people, self._levels.quality, self._settled):
            self._decide(someone, looked)
            waiting = sum(len(one.views) for one in self._ready)
            if waiting >= _BATCH_TEMPLATES or time.monotonic() - self._since_s > _BATCH_S:
                self._commit()
            self._progress(self._told)
        self._commit()
        self._progress(self._told)
        return self._told

    def _believe(self) -> None:
        """Find out of whom the gallery really holds what the report says that it does.

        A person who is not there, has fewer templates than their images should have given, or
        belongs to a later revision than the gallery has (a backup was restored, or the power
        went before the batch was on the disk) is done again.
        """
        said: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self._ledger.entries():
            if entry.held:
                said[entry.person_id].append(entry)
        revision = self._gallery.revision
        for person_id, entries in said.items():
            person = self._person(person_id)
            has = 0 if person is None else person.templates.get(self._model, 0)
            given = sum(entry.outcome == "enrolled" for entry in entries)
            least = max(1, min(self._settings.templates_per_person, given))
            if has >= least and max(entry.revision or 0 for entry in entries) <= revision:
                self._believed.add(person_id)
                self._owner |= {entry.digest: person_id for entry in entries if entry.digest}

    def _settled(self, person_id: str, digest: str) -> Entry | Refused | None:
        owner = self._owner.get(digest, person_id)
        if owner != person_id:
            return Refused("same_image", f"the same image is enrolled as {owner!a}")
        entry = self._ledger.entry(person_id, digest)
        return None if entry and entry.held and person_id not in self._believed else entry

    def _decide(self, someone: Someone, looked: list[Looked]) -> None:
        """Choose among a person's views; who has new ones waits for the commit."""
        for one in looked:
            if isinstance(one.found, Entry):
                self._count(replace(one.found, image=one.photo.name))
            elif isinstance(one.found, Refused):
                self._refuse(someone.id, one, one.found)
        if someone.refused is not None:
            return
        found = [(one, one.found) for one in looked if isinstance(one.found, View)]
        views = [view for _, view in found]
        person = self._person(someone.id)
        stored = self._gallery.templates(someone.id, self._model) if person and views else []
        try:
            profile = merged_profile(person, {**self._given, **someone.given})
        except GalleryError as fault:
            for one, view in found:
                self._refuse(someone.id, one, Refused("bad_profile", str(fault), view.quality))
            return
        chosen, odd = sort_out(views, stored, self._levels)
        lines = []
        for place, (one, view) in enumerate(found):
            if place in odd:
                known = bool(chosen or stored)
                why, text = ("incoherent", NOT_THEM) if known else ("ambiguous", NOBODY_KNOWS)
                self._refuse(someone.id, one, Refused(why, text, view.quality))
            else:
                outcome: Outcome = "enrolled" if place in chosen else "known"
                lines.append(_line(someone.id, one, outcome, quality=view.quality))
        image = looked[0].photo.name if looked else ""
        ready = _Ready(someone.id, [views[i] for i in chosen], profile, lines, image)
        if chosen:
            self._ready.append(ready)
        elif person is not None:
            self._follow(person, ready)

    def _follow(self, person: Person, ready: _Ready) -> None:
        """Somebody whose photos are all known: what is said of them may have changed."""
        if self._write and ready.profile is not None and ready.profile != person.profile:
            try:
                self._gallery.set_profile(ready.id, ready.profile)
            except GalleryError as fault:  # a card of theirs is somebody else's
                self._tell_refused(ready, fault)
                return
        self._tell(ready.lines)

    def _commit(self) -> None:
        """Put who waits into the gallery; then, not before, say so."""
        ready, self._ready = self._ready, []
        if ready and self._write:
            self._enrol(ready)
        else:
            for one in ready:
                self._tell(one.lines)
        lines, self._lines = self._lines, []
        self._ledger.write(lines)
        self._since_s = time.monotonic()

    def _enrol(self, people: list[_Ready]) -> None:
        """All in one transaction; where a person is refused, each in one of their own."""
        try:
            enrolled = enrol(
                self._gallery,
                self._index,
                [
                    template
                    for one in people
                    for view in one.views
                    for template in self._workers.beside.twin(
                        Enrolment(one.id, view.embedding, self._model, view.quality, SOURCE),
                        view.second,
                    )
                ],
                limit=self._settings.templates_per_person,
                coherence=self._levels.different,
                profiles={one.id: one.profile for one in people if one.profile is not None},
                settings=self._settings,
                nearness=self._policy.nearness,
            )
        except GalleryError as fault:
            if len(people) > 1:
                for one in people:
                    self._enrol([one])
                return
            self._tell_refused(people[0], fault)
            return
        revision = self._gallery.revision
        self._told.warnings += enrolled.warnings
        self._tell(replace(line, revision=revision) for one in people for line in one.lines)

    def _person(self, person_id: str) -> Person | None:
        try:
            return self._gallery.person(person_id)
        except GalleryError:  # no id at all
            return None

    def _refuse(self, person_id: str, one: Looked, why: Refused) -> None:
        self._tell([_line(person_id, one, "refused", why.reason, why.text, why.quality)])

    def _tell_refused(self, one: _Ready, fault: GalleryError) -> None:
        why, text = reason_of(fault), str(fault)
        # of images that are settled nothing new is said: then the person is refused by one of them
        lines = one.lines or [Entry(one.id, one.image, "refused")]
        self._tell(replace(line, outcome="refused", reason=why, text=text) for line in lines)

    def _tell(self, lines: Iterable[Entry]) -> None:
        for line in lines:
            self._lines.append(line)
            self._count(line)

    def _count(self, line: Entry) -> None:
        self._told.done += 1
        self._told.outcomes[line.outcome] += 1
        if line.reason is not None:
            self._told.reasons[line.reason] += 1
        if line.held:
            self._told.held.add(line.person_id)


def _line(
    person_id: str,
    one: Looked,
    outcome: Outcome,
    reason: str | None = None,
    text: str | None = None,
    quality: float | None = None,
) -> Entry:
    return Entry(person_id, one.photo.name, outcome, reason, text, quality, one.digest)
