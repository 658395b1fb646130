from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.mqtt import Topics
from edged.mqtt.topics import SYNC_IN, SYNC_OUT, Parsed

TOPICS = Topics("site/edged", "hq", "door-1")
NAMES = st.from_regex(r"[a-z0-9_]{1,10}(\.[a-z0-9_]{1,10}){0,3}", fullmatch=True)


@given(NAMES)
def test_what_is_built_is_parsed_back(name: str) -> None:
    assert TOPICS.parse(TOPICS.event(name)) == Parsed("event", name)
    assert TOPICS.parse(TOPICS.event(name, historical=True)) == Parsed("backlog", name)
    assert TOPICS.parse(TOPICS.command(name)) == Parsed("cmd", name)
    assert TOPICS.parse(TOPICS.result(name)) == Parsed("result", name)


@given(st.text(max_size=80), st.sampled_from(["", "cmd/", "event/", "cmd/x/", "result/"]))
def test_any_text_is_parsed_or_refused_and_never_written_anew(text: str, kind: str) -> None:
    topic = f"{TOPICS.root}/{kind}{text}"
    parsed = TOPICS.parse(topic)
    if parsed and parsed.kind == "cmd" and parsed.name:
        assert TOPICS.command(parsed.name) == topic
    TOPICS.parse(text)
    TOPICS.may_reply_to(text)


def test_the_topics_of_the_contract() -> None:
    assert TOPICS.status == "site/edged/hq/door-1/status"
    assert TOPICS.parse(TOPICS.status) == Parsed("status")
    assert TOPICS.parse(TOPICS.state) == Parsed("state")
    assert TOPICS.commands == "site/edged/hq/door-1/cmd/+"
    assert TOPICS.audience == "hq/door-1"


def test_the_topics_of_the_sites_log() -> None:
    for kind in (*SYNC_IN, *SYNC_OUT):
        assert TOPICS.parse(TOPICS.sync(kind)) == Parsed("sync", kind)
    assert TOPICS.sync("head") == "site/edged/hq/door-1/sync/head"
    assert TOPICS.parse(f"{TOPICS.root}/sync/nonsense") is None


@pytest.mark.parametrize("name", ["", "a/b", "A", "a..b", "+", "#", "é", "a" * 65, "a\n"])
def test_a_malformed_name_makes_no_topic(name: str) -> None:
    with pytest.raises(ValueError, match="dotted lower case"):
        TOPICS.event(name)
    assert TOPICS.parse(f"{TOPICS.root}/cmd/{name}") is None


@pytest.mark.parametrize(
    ("topic", "may"),
    [
        ("site/edged/hq/controllers/7/replies", True),
        ("site/edged/hq/x/replies", True),
        ("site/edged/hq/x", False),
        ("site/edged/hq/", False),
        ("site/edged/hq//replies", False),
        ("site/edged/other/x/replies", False),
        ("edged/hq/x/replies", False),
        ("site/edged/hq/x/replies/#", False),
        ("site/edged/hq/+/replies", False),
        ("site/edged/hq/x/re\x00plies", False),
        ("site/edged/hq/x/" + "a" * 300, False),
        ("site/edged/hq/door-2/cmd/door.unlock", False),
        ("site/edged/hq/door-2/cmd/door.unlock/result", False),
        ("site/edged/hq/door-1/status", False),
        ("site/edged/hq/door-2/state", False),
        ("site/edged/hq/door-2/event/access.granted", False),
        ("site/edged/hq/door-2/backlog/access.granted", False),
        ("site/edged/hq/door-2/desired", False),
        ("site/edged/hq/door-2/sync/head", False),
    ],
)
def test_replies_go_below_the_site_and_never_where_a_terminal_speaks(topic: str, may: bool) -> None:
    assert TOPICS.may_reply_to(topic) is may
