"""`enrol.photo`: from a photo on the broker to a template, and every way it may not go."""

from __future__ import annotations

import base64
import threading
from functools import cache

import cv2
import numpy as np
import pytest

from edged.errors import RuntimeFault
from edged.events.outbox import Outbox
from edged.gallery.store import make_gallery
from edged.mqtt.catalogue import Context, EnrolPhoto
from edged.service.journal import Journal
from edged.service.photo_desk import PhotoDesk
from edged.service.policy import make_policy
from edged.service.state import State
from edged.vault.secret import Secret
from tests import faces
from tests.service.kit import wait
from tests.service.test_bulk import configured


@cache
def photo(name: str = "ann", quality: int = 80, side: int = 384) -> str:
    image = cv2.imdecode(np.frombuffer(faces.faces()[name], np.uint8), cv2.IMREAD_COLOR)
    image = cv2.resize(image, (side, side))
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return base64.b64encode(data).decode()


@pytest.fixture
def parts(tmp_path):
    """An open gallery and journal, and the outbox to read what was recorded."""
    config = configured(tmp_path)
    key = Secret(bytes(range(32)))
    gallery, outbox = make_gallery(config.gallery, key), Outbox(tmp_path / "events.db", key, 1000)
    gallery.open()
    outbox.open()
    yield config, gallery, outbox
    outbox.close()
    gallery.close()


@pytest.fixture
def desk(parts, engine):
    """A desk, and a way to have commands answered while a thread serves as vision does."""
    return Served(parts, engine)


class Served:
    def __init__(self, parts, engine, **settings):
        config, self.gallery, self.outbox = parts
        config = config.model_copy(update={"gallery": config.gallery.model_copy(update=settings)})
        policy = make_policy(config.decision, engine.manifest, config.gallery)
        self.model = engine.identity
        self.desk = PhotoDesk(
            config,
            engine,
            policy,
            gallery=self.gallery,
            index=self.gallery.index(engine.identity, engine.manifest.outputs.embedding.size),
            journal=Journal(self.outbox, State()),
            patience_s=30,
        )

    def order(self, person_id="ann", image=None, **more):
        args = EnrolPhoto(person_id=person_id, image=photo() if image is None else image, **more)
        replies = []
        asking = threading.Thread(
            target=lambda: replies.append(
                self.desk.enrol(args, Context("enrol.photo", "c1", "site"))
            )
        )
        asking.start()
        while asking.is_alive():
            self.desk.serve()
            asking.join(0.01)
        return replies[0]

    def event(self):
        return self.outbox.pending()[-1]

    def held(self):
        return {p.id: sum(p.templates.values()) for p in self.gallery.people()}


def test_a_photo_on_the_broker_becomes_a_template(door):
    seq = door.site.seq
    reply = door.site.command("enrol.photo", person_id="ann", image=photo(), groups=["staff"])
    assert (reply["result"], reply["data"]["views"]) == ("ok", 1)
    event = door.site.event("enrol.completed", after=seq)["data"]
    assert (event["person_id"], event["command"], event["views"]) == ("ann", reply["id"], 1)
    assert event["confirmed"] == "none"
    with door.terminal.gallery() as gallery:
        assert gallery.profile("ann").groups == ("staff",)
    stored = b"".join(
        path.read_bytes() for path in door.terminal.folder.glob("*") if path.is_file()
    )
    assert photo()[200:240].encode() not in stored
    assert base64.b64decode(photo())[200:240] not in stored


def test_the_largest_photo_fits_into_a_command_and_one_byte_more_does_not(door):
    image = base64.b64decode(photo())
    whole = image[:-2] + bytes(45_000 - len(image)) + image[-2:]
    base = base64.b64encode(whole).decode()
    assert len(base) == 60_000
    reply = door.site.command("enrol.photo", person_id="ann", image=base)
    assert reply["result"] == "ok", reply
    base = base64.b64encode(whole + b"x").decode()
    reply = door.site.command("enrol.photo", person_id="ann", image=base)
    assert (reply["result"], reply["reason"]) == ("refused", "bad_args")


def test_it_works_while_the_camera_is_gone(door):
    door.stage.unplug()
    try:
        reply = door.site.command("enrol.photo", person_id="ann", image=photo())
    finally:
        door.stage.show("empty")
    assert reply["result"] == "ok"


def test_the_door_keeps_working_between_photos(door):
    for number in range(3):
        door.site.command("enrol.photo", person_id="ann", image=photo("wall"))
        assert door.site.command("door.unlock")["result"] == "ok", number
    wait(lambda: door.terminal.relay[-1] in {"off", "rest"})


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (photo("wall"), "no_face"),
        (photo("blurred"), "low_quality"),
        ("not base64!", "unreadable"),
        (base64.b64encode(b"GIF89a" + bytes(100)).decode(), "unreadable"),
        (photo()[:2000], "unreadable"),
        (base64.b64encode(b"\xff\xd8\xff").decode(), "unreadable"),
        ("A" * 59_999, "unreadable"),
    ],
)
def test_what_shows_nobody_is_refused_by_a_code_and_recorded(desk, image, reason):
    reply = desk.order(image=image)
    assert (reply.result, reply.reason) == ("refused", reason)
    event = desk.event()
    assert (event.type, event.data["reason"]) == ("enrol.failed", reason)
    assert image[:40] not in reply.text + str(event.data)
    assert desk.held() == {}


def test_a_bomb_is_not_decoded(desk):
    huge = cv2.imencode(".png", np.zeros((2100, 2100, 3), np.uint8))[1].tobytes()
    assert len(huge) < 45_000
    reply = desk.order(image=base64.b64encode(huge).decode())
    assert (reply.result, reply.reason) == ("refused", "unreadable")
    assert "too large" in reply.text


def test_who_is_enrolled_already_is_refused_under_another_id_and_named(desk):
    assert desk.order().result == "ok"
    reply = desk.order("anna", photo("ann2"))
    assert (reply.result, reply.reason) == ("refused", "duplicate")
    assert reply.data == {"person_id": "anna", "other": "ann"}
    assert desk.held() == {"ann": 1}


def test_more_photos_add_up_and_the_same_one_does_not(desk):
    assert desk.order().data["views"] == 1
    again = desk.order(groups=["night"])
    assert (again.result, again.data["views"], again.data["known"]) == ("ok", 0, 1)
    assert desk.gallery.profile("ann").groups == ("night",)
    assert desk.order(image=photo("ann2")).data["views"] == 1
    assert desk.held() == {"ann": 2}


def test_a_photo_of_somebody_else_does_not_get_into_a_person(desk):
    assert desk.order().result == "ok"
    reply = desk.order(image=photo("bob"))
    assert (reply.result, reply.reason) == ("refused", "incoherent")
    assert desk.held() == {"ann": 1}


@pytest.mark.parametrize(
    "more",
    [{"valid_until": "soon"}, {"consent": {"basis": "x", "expires": "2030-01-01T10:00"}}],
)
def test_a_profile_that_makes_no_sense_is_refused(desk, more):
    reply = desk.order(**more)
    assert (reply.result, reply.reason) == ("refused", "bad_profile")
    assert desk.held() == {}


def test_consent_is_wanted_where_the_site_wants_it_and_dated(parts, engine):
    desk = Served(parts, engine, require_consent=True)
    assert desk.order().reason == "consent_missing"
    assert desk.order(consent={"basis": "contract"}).result == "ok"
    consent = desk.gallery.profile("ann").consent
    assert (consent.basis, consent.given is not None) == ("contract", True)


def test_while_nobody_serves_the_reply_comes_all_the_same_and_nothing_later(parts, engine):
    desk = Served(parts, engine)
    desk.desk._patience_s = 0.05
    args = EnrolPhoto(person_id="ann", image=photo())
    reply = desk.desk.enrol(args, Context("enrol.photo", "c1", "site"))
    assert (reply.result, reply.reason) == ("refused", "busy")
    desk.desk.serve()
    assert desk.held() == {}


class Broken:
    def __init__(self, engine):
        self.identity, self.manifest = engine.identity, engine.manifest

    def extract_each(self, image, most):
        raise RuntimeFault("the accelerator is gone")


def test_networks_that_fail_are_told_to_both_sides(parts, engine):
    desk = Served(parts, Broken(engine))
    args = EnrolPhoto(person_id="ann", image=photo())
    replies = []
    asking = threading.Thread(
        target=lambda: replies.append(desk.desk.enrol(args, Context("enrol.photo", "c1", None)))
    )
    asking.start()

    def serve():
        try:
            desk.desk.serve()
        except RuntimeFault:
            return True
        return False

    wait(serve)
    asking.join(30)
    assert (replies[0].result, replies[0].reason) == ("failed", "runtime")
