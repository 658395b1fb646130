"""Configuration: everything wrong is reported at once, each with its place and a way out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.load import load, load_parts, parse, problem_at
from edged.errors import ConfigError

GOOD = """\
site: hq
terminal: lobby-1
key: {file: secret.key}
camera: {driver: opencv, source: 0}
door: {driver: simulated}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "t.yaml")
    return caught.value.problems


def test_the_least_configuration_is_enough() -> None:
    config = parse(GOOD)
    assert (config.site, config.decision.profile, config.mqtt) == ("hq", "access", None)


def test_relative_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    readers = "readers: {gate: {driver: simulated, pipe: gate}}"
    file.write_text(GOOD + f"gallery: {{path: data/gallery.db}}\n{readers}\n")
    config = load(file)
    assert config.key.file == tmp_path / "secret.key"
    assert config.gallery.path == tmp_path / "data/gallery.db"
    assert config.readers["gate"].pipe == tmp_path / "gate"
    assert config.events.path == Path("/var/lib/edged/events.db")


def test_what_may_be_a_name_or_a_path_is_a_path_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mtcnn").mkdir()
    (tmp_path / "walk.mp4").touch()
    file = tmp_path / "edged.yaml"
    file.write_text(
        GOOD.replace("source: 0", "source: ./walk.mp4")
        + "model: {bundle: ./mine, detector: mtcnn}\n"
    )
    config = load(file)
    assert config.camera.source == str(tmp_path / "walk.mp4")
    assert (config.model.bundle, config.model.detector) == (str(tmp_path / "mine"), "mtcnn")


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        "site: hq\nterminal: lobby 1\nkey: {file: k}\n"
        "camera:\n  driver: opencv\n  rate_hz: 0\n"
        "door: {driver: simulated}\nmodel: {runtime: tensorrt}\n"
    )
    assert [line.split(": ")[0] for line in found] == ["t.yaml:2:1", "t.yaml:6:3", "t.yaml:8:9"]
    assert [line.split(": ")[1] for line in found] == [
        "terminal",
        "camera.rate_hz",
        "model.runtime",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("source", "sorce"), "camera.sorce: unknown setting; did you mean source?"),
        (GOOD + "galery: {}\n", "t.yaml:6:1: galery: unknown setting; did you mean gallery?"),
        (
            GOOD.replace("simulated", "simulated, pulse_ms: 3000"),
            "door.pulse_ms: unknown setting; did you mean pulse_s?",
        ),
        (
            GOOD.replace("simulated", "simulated, pulse_s: 3000ms"),
            "the unit stands in the setting's name; '3000ms' is in milliseconds",
        ),
        (GOOD.replace("simulated", "simulated, pulse_s: 3000"), "less than or equal to 60"),
        (GOOD.replace("simulated", "simulated, pulse_s: yes"), "expected a number, not true"),
        (GOOD.replace("simulated", "solenoid"), "door: unknown driver (got 'solenoid')"),
        (GOOD.replace("driver: simulated", "pulse_s: 3"), "door: needs a driver"),
        (GOOD + "site: b\n", "t.yaml:6:1: site: given twice (first in line 1)"),
        (GOOD + "\tx: 1\n", "a tab cannot indent YAML; use spaces"),
        (GOOD + "mqtt: {host: [}\n", "(file):"),
        (GOOD.replace("site: hq\n", ""), "site: is missing and has no default"),
        (GOOD.replace("file: secret.key", "file: a, env: B"), "give exactly one of credential"),
        (GOOD + "mqtt: {host: b, tls: {cert_file: c}}\n", "cert_file and key_file belong together"),
        ("", "found nothing that holds any"),
        ("- a\n- b\n", "expected settings"),
        ("just text", "expected settings"),
        (GOOD + "decision: {evidence_frames: 9, denial_frames: 2}\n", "must not be below"),
        (
            GOOD + "decision: {minimum_quality: 0.5, view_quality: 0.6}\n",
            "view_quality must not be above minimum_quality",
        ),
        (GOOD + "decision: {doubtful: grant}\n", "decision.doubtful: input should be 'review',"),
        (GOOD + "decision: {margin: 0.6}\n", "decision.margin: "),
        (
            GOOD + "access: {rules: [{name: a, factors: [face, card]}]}\n",
            "access.rules.0.factors: expected sets of factors: [[face], [card, pin]]",
        ),
        (
            GOOD + "access: {rules: [{name: a, factors: [[]]}]}\n",
            "access.rules.0.factors.0: expected at least one entry",
        ),
        (
            GOOD + "access: {rules: [{name: a, groups: guards}]}\n",
            "access.rules.0.groups: expected a list, such as [a, b] (got 'guards')",
        ),
        (GOOD + "access: {second_factor: [face]}\n", "access.second_factor.0: input should be"),
        (
            GOOD + "schedules: {office: {days: {mon: ['8:00-18:00']}}}\n",
            "schedules.office.days.mon.0: expected two times with two digits each",
        ),
        (
            GOOD + "schedules: {office: {days: {mo: []}}}\n",
            "schedules.office.days.mo: expected mon, tue",
        ),
        (GOOD + "holidays: {country: de}\n", "holidays.country: expected two capitals"),
        (
            GOOD + "holidays: {dates: [24.12.2026]}\n",
            "holidays.dates.0: expected a day, such as 2026-12-24 (got '24.12.2026')",
        ),
        (
            GOOD + "attendance: {day_begins: 14:00}\n",
            "attendance.day_begins: expected text; put it in quotation marks",
        ),
        (GOOD + "decision: {margin: .nan}\n", "decision.margin: "),
        (GOOD + "decision: {strangers_per_day: -1}\n", "decision.strangers_per_day: "),
        (GOOD + "decision: {serve_again_after_s: 0}\n", "decision.serve_again_after_s: "),
        (GOOD + "mqtt: !!python/object:os.system {}\n", "mqtt"),
        ("a: " * 5000, "(file)"),
    ],
)
def test_each_mistake_says_where_and_what_to_do(text: str, expected: str) -> None:
    assert any(expected in line for line in problems(text)), problems(text)


def test_deep_nesting_is_refused_and_not_recursed_into() -> None:
    assert problems("a: " + "[" * 2000 + "]" * 2000)


def test_aliases_that_multiply_are_cut_short() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert any("too many values" in line for line in problems("\n".join(rows)))


def test_a_missing_a_binary_and_a_huge_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(binary)
    binary.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        load(binary)


def test_compiled_networks_are_kept_where_systemd_made_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/edged")
    file = tmp_path / "edged.yaml"
    file.write_text(GOOD)
    assert load(file).model.cache_dir == Path("/var/cache/edged")
    file.write_text(GOOD + "model: {cache_dir: mine}\n")
    assert load(file).model.cache_dir == tmp_path / "mine"


def test_a_problem_found_in_use_points_at_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    file.write_text(GOOD)
    assert problem_at(file, "camera.source", "gone") == f"{file}:4:26: camera.source: gone"
    assert problem_at(file, "gallery.path", "gone") == f"{file}:1:1: gallery.path: gone"


def test_parts_that_are_usable_by_themselves_are_given_beside_the_problems(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    file.write_text(GOOD.replace("source: 0", "sorce: 0") + "web: {port: 99999}\n")
    parts, found = load_parts(file)
    assert [line.split(": ")[1] for line in found] == ["camera.sorce", "web.port"]
    assert parts["key"].file == tmp_path / "secret.key"
    assert parts["door"].driver == "simulated"
    assert parts["decision"].profile == "access"
    assert "camera" not in parts
    assert "web" not in parts
    file.write_text("- nothing")
    with pytest.raises(ConfigError):
        load_parts(file)


@pytest.mark.parametrize("place", ["env", "file", "credential"])
def test_a_key_in_the_wrong_place_is_never_repeated(place: str) -> None:
    found = problems(GOOD.replace("file: secret.key", f"{place}: {'0123456789abcdef' * 4}"))
    assert any("this looks like the key itself" in line for line in found)
    assert "0123456789abcdef" not in "\n".join(found)


def test_a_private_key_given_for_a_public_one_is_never_repeated() -> None:
    pem = "-----BEGIN PRIVATE KEY----- MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v -----END PRIVATE KEY-----"
    keys = f"mqtt: {{host: b, commands: {{keys: [{{id: a, roles: [], public_key: '{pem}'}}]}}}}\n"
    found = problems(GOOD + keys)
    assert any("expected an Ed25519 public key" in line for line in found)
    assert "MC4CAQ" not in "\n".join(found)


@pytest.mark.parametrize("value", ["!!int ''", "!!float ''", "!!bool x", "!!timestamp x"])
def test_a_value_that_is_not_what_its_tag_says_is_a_problem(value: str) -> None:
    assert problems(GOOD.replace("hq", value))


@given(st.text(max_size=300))
def test_any_text_gives_a_configuration_or_a_list_of_problems(text: str) -> None:
    try:
        parse(text)
    except ConfigError as fault:
        listed = fault.problems
    else:
        listed = ["none"]
    assert listed
