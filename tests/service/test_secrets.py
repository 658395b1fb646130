"""What never leaves the terminal by its log, however talkative the log is."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.service.kit import PERSON, SECRET, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.kit import Door, Views

CANARY = "Canary Wharfinger"


def test_a_log_at_its_most_talkative_holds_no_key_no_template_and_no_name(
    open_door: Callable[..., Door], views: Views
) -> None:
    # the same face under two names; without a margin that is no lookalike
    door = open_door(
        lambda terminal: terminal.enrol(views, "old-hand", CANARY),
        decision={"margin": 0},
        gallery={"duplicates": "allow", "lookalikes": "off"},
    )
    door.site.command("enrol.start", person_id=PERSON, name=f"{CANARY} II", views=1)
    door.stage.show("near")
    door.site.event("enrol.completed")
    door.leave()
    door.stage.show("near")
    granted = door.site.event("access.granted")
    assert "name" not in granted["data"]
    door.site.publish("enrol.start", f'{{"name": "{CANARY}"}}')
    door.site.event("command.refused")
    wait(lambda: "on" in door.terminal.relay)
    assert door.terminal.stop() == 0
    log = door.terminal.log
    assert "DEBUG" in log
    key = bytes.fromhex(SECRET)
    for secret in (SECRET, key.hex(), base64.b64encode(key).decode(), repr(key), "Canary"):
        assert secret.lower() not in log.lower()
    for embedding in views.embeddings:
        for number in embedding[:8]:
            assert f"{abs(number):.6f}"[2:] not in log
    told = "".join(str(message.content) for message in door.site.heard)
    assert "Canary" not in told
