from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import Config
from edged.errors import BrokerError
from edged.mqtt import Topics, topics_of
from edged.mqtt.topics import SYNC_IN, SYNC_OUT, Parsed

TOPICS = Topics("site/edged", "hq", "door-1")
DASHED = Topics("site/edged", "hq", "door-1", dash=True)
NAMES = st.from_regex(r"[a-z0-9_]{1,10}(\.[a-z0-9_]{1,10}){0,3}", fullmatch=True)


BOTH = st.sampled_from([TOPICS, DASHED])


@given(BOTH, NAMES)
def test_what_is_built_is_parsed_back(topics: Topics, name: str) -> None:
    assert topics.parse(topics.event(name)) == Parsed("event", name)
    assert topics.parse(topics.event(name, historical=True)) == Parsed("backlog", name)
    assert topics.parse(topics.command(name)) == Parsed("cmd", name)
    assert topics.parse(topics.result(name)) == Parsed("result", name)


@given(NAMES)
def test_dashes_stand_for_dots_and_only_there(name: str) -> None:
    assert DASHED.event(name) == TOPICS.event(name).replace(".", "-")
    assert DASHED.command(name).count(".") == 0
    if "." in name:
        assert DASHED.parse(TOPICS.event(name)) is None
        assert TOPICS.parse(DASHED.event(name)) is None


@given(NAMES, NAMES)
def test_no_two_names_make_the_same_topic(one: str, other: str) -> None:
    assert (DASHED.event(one) == DASHED.event(other)) == (one == other)


@given(BOTH, st.text(max_size=80), st.sampled_from(["", "cmd/", "event/", "cmd/x/", "result/"]))
def test_any_text_is_parsed_or_refused_and_never_written_anew(
    topics: Topics, text: str, kind: str
) -> None:
    topic = f"{topics.root}/{kind}{text}"
    parsed = topics.parse(topic)
    if parsed and parsed.kind == "cmd" and parsed.name:
        assert topics.command(parsed.name) == topic
    topics.parse(text)
    topics.may_reply_to(text)


def test_the_topics_of_the_contract() -> None:
    assert TOPICS.status == "site/edged/hq/door-1/status"
    assert TOPICS.parse(TOPICS.status) == Parsed("status")
    assert TOPICS.parse(TOPICS.state) == Parsed("state")
    assert TOPICS.parse(TOPICS.desired) == Parsed("desired")
    assert TOPICS.parse(TOPICS.audit) == Parsed("audit")
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
        ("site/edged/hq/door-2/audit", False),
        ("site/edged/hq/door-2/sync/head", False),
    ],
)
def test_replies_go_below_the_site_and_never_where_a_terminal_speaks(topic: str, may: bool) -> None:
    assert TOPICS.may_reply_to(topic) is may


def test_the_topics_of_a_configuration() -> None:
    config = {
        "site": "hq",
        "terminal": "door-1",
        "camera": {"driver": "replay", "source": "stage"},
        "key": {"file": "secret.key"},
        "door": {"driver": "simulated"},
    }
    mqtt = {"host": "broker", "prefix": "site/edged"}
    assert topics_of(Config.model_validate(config | {"mqtt": mqtt})) == TOPICS
    dashed = Config.model_validate(config | {"mqtt": mqtt | {"topic_dots": "dash"}})
    assert topics_of(dashed) == DASHED
    with pytest.raises(BrokerError, match=r"mqtt\.host"):
        topics_of(Config.model_validate(config))
