"""`edged eval`: from a folder of people to figures, a document and a page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from edged.cli.main import main
from edged.evaluation import instrument as instruments
from edged.evaluation.files import find_people
from tests.evaluation import crowd

QUICK = ("--aligned", "--no-degradations")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return crowd.crowd(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """One run with everything: document and page."""
    people = crowd.crowd(tmp_path_factory.mktemp("few"), people=5, photos=3)
    out = tmp_path_factory.mktemp("out")
    files = ["--json", str(out / "r.json"), "--report", str(out / "r.html")]
    more = ["--reference", str(find_network()), "--gallery", "3", "--gallery", "5"]
    assert main(["eval", "people", str(people), "--aligned", "--quick", *files, *more]) == 0
    return json.loads((out / "r.json").read_text()), (out / "r.html").read_text(), out


def find_network():
    from edged.bundle.load import find_bundle

    return find_bundle("mobilefacenet-rts") / "model.onnx"


class Page(HTMLParser):
    """Elements that could load or run something, and addresses."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action")]
        assert not any(k.startswith("on") for k, _ in attrs)

    def handle_data(self, data):
        self.text += data


def test_every_figure_has_its_counts_and_the_protocol_is_stated(full):
    document, _, _ = full
    about = document["protocol"]
    assert document["schema"] == "edged-eval/1"
    assert about["bundle"].startswith("mobilefacenet-rts@")
    assert (about["people"], about["seed"], about["precision"]) == (5, 1, "int8")
    assert document["comparisons"] == {"genuine": 15, "genuine_people": 5, "impostor": 90}
    for row in document["thresholds"]:
        assert row["fmr"]["trials"] == 90
        assert row["fnmr"]["trials"] == 15
    assert document["acquisition"]["failure_to_acquire"]["trials"] == 15
    assert {row["kind"] for row in document["damage"]["rows"]} >= {"blur", "dark", "occluded"}
    assert [found["gallery"] for found in document["identification"]] == [3]
    assert any(note.startswith("no gallery of 5: too few") for note in document["notes"])
    assert any("too few" in note for note in document["notes"])


def test_a_network_beside_itself_is_the_same_network(full):
    found = full[0]["reference"]
    assert found["agreement"]["worst_cosine"] == pytest.approx(1, abs=1e-5)
    assert found["at_threshold"]["fnmr"] == found["at_threshold"]["reference_fnmr"]


def test_the_page_loads_and_runs_nothing_and_says_so(full):
    _, html, _ = full
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert all(a.startswith(("#", "data:")) for a in page.addresses)
    assert "default-src &#x27;none&#x27;" in html
    assert not re.search(r"@import|url\((?!#)", html)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_without_thumbnails_the_page_holds_no_face_and_no_name(full):
    _, html, _ = full
    page = Page(html)
    assert "img" not in page.tags
    assert "p03" not in page.text
    assert ".png" not in page.text


def test_what_is_written_is_for_its_owner_alone(full):
    for name in ("r.json", "r.html"):
        assert (full[2] / name).stat().st_mode & 0o777 == 0o600
    assert len(list(full[2].iterdir())) == 2


def test_the_same_seed_gives_the_same_figures(edged, people):
    first, second = (edged("eval", "people", people, *QUICK, "--json").json for _ in range(2))
    first["protocol"].pop("date")
    second["protocol"].pop("date")
    assert first == second


def test_the_summary_fits_one_screen(edged, people):
    ran = edged("eval", "people", people, *QUICK)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert len(lines) <= 30
    assert any(line.startswith("views      32 of 8 people; failed to acquire 0") for line in lines)
    assert ran.err == ""


def test_names_of_people_and_files_are_never_markup(edged, tmp_path):
    root = crowd.crowd(tmp_path / "people", people=3, photos=2)
    hostile = root / '<img src=x onerror=alert(1)>&"'
    (root / "p00").rename(hostile)
    (hostile / "0.png").rename(hostile / "<script>alert(1)<!--.png")
    report = tmp_path / "r.html"
    ran = edged("eval", "people", root, *QUICK, "--report", report, "--thumbnails")
    assert ran.code == 0
    page = Page(report.read_text())
    assert "script" not in page.tags
    assert "<script>alert(1)" in page.text
    pictures = [a for a in page.addresses if a.startswith("data:")]
    assert pictures
    assert all(a.startswith("data:image/jpeg;base64,/9j/") for a in pictures)


def test_files_that_give_nothing_are_counted_and_named_never_dropped(edged, tmp_path):
    root = crowd.crowd(tmp_path / "people", people=3, photos=3)
    (root / "p00" / "text.jpg").write_text("no image")
    data = (root / "p01" / "0.png").read_bytes()
    (root / "p01" / "cut.png").write_bytes(data[: len(data) // 2])
    done, jpeg = cv2.imencode(".jpg", crowd.person(1, 9))
    assert done
    (root / "p01" / "cut.jpg").write_bytes(jpeg.tobytes()[:900])
    huge = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (60000).to_bytes(4, "big") * 2
    (root / "p02" / "huge.png").write_bytes(huge + b"IEND")
    (root / "p02" / "again.png").write_bytes((root / "p02" / "0.png").read_bytes())
    (root / "p02" / "gone.png").symlink_to("nowhere.png")
    ran = edged("eval", "people", root, *QUICK, "--json")
    got = ran.json["acquisition"]
    assert got["by_reason"] == {"duplicate": 1, "unreadable": 5}
    assert (got["files"], got["views"]) == (14, 9)
    assert got["failure_to_acquire"]["events"] == 5
    assert {"file": "p01/cut.jpg", "reason": "unreadable"} in got["failures"]


def test_one_file_in_two_peoples_folders_is_told(edged, tmp_path):
    root = crowd.crowd(tmp_path / "people", people=3, photos=3)
    (root / "p00" / "x.png").write_bytes((root / "p01" / "0.png").read_bytes())
    found = edged("eval", "people", root, *QUICK, "--json").json
    assert found["acquisition"]["same_file_of_two_people"] == [["p00/x.png", "p01/0.png"]]
    assert "two people's folders" in " ".join(found["notes"])


def test_a_second_copy_is_none_of_a_person_wherever_the_first_lies(edged, tmp_path):
    root = crowd.crowd(tmp_path / "people", people=3, photos=3)
    for name in ("p01/x.png", "p01/y.png"):
        (root / name).write_bytes((root / "p00" / "0.png").read_bytes())
    found = edged("eval", "people", root, *QUICK, "--json").json
    got = found["acquisition"]
    assert got["failures"] == [{"file": "p01/y.png", "reason": "duplicate"}]
    assert got["same_file_of_two_people"] == [["p00/0.png", "p01/x.png"]]
    assert found["comparisons"]["genuine"] == 3 + 6 + 3


def test_the_seed_draws_the_bounds_of_every_similarity(tmp_path):
    from edged.bundle.load import find_bundle, load_bundle
    from edged.evaluation.people import matching
    from edged.evaluation.rates import Draws
    from tests.evaluation.test_rates import genuine_pairs, impostors, labels, measured, unit

    manifest = load_bundle(find_bundle("mobilefacenet-rts")).recogniser
    views = measured(noise=1.5)
    pairs = genuine_pairs(labels(views), 10)
    faces = unit(views.embeddings)
    genuine = (faces[pairs[:, 0]] * faces[pairs[:, 1]]).sum(1)
    strangers = impostors(views.embeddings, labels(views))
    first, again, other = (
        matching(genuine, pairs, strangers, views, manifest, Draws(40, seed))["at_fmr"][0]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first["similarity"] == other["similarity"]
    assert first["similarity_bounds"] != other["similarity_bounds"]


def test_the_page_says_that_the_bounds_are_of_one_gallery(full):
    document, html, _ = full
    assert "hold the one gallery that was drawn fixed" in Page(html).text
    assert "for the one gallery drawn" in document["protocol"]["bounds"]


def test_photos_are_detected_and_those_without_a_face_counted(edged, tmp_path):
    portrait = cv2.imread(str(crowd.PORTRAIT))
    for name in ("a", "b"):
        photo = portrait if name == "a" else cv2.flip(portrait, 1)
        for number, gain in enumerate((1.0, 0.8)):
            crowd.write(
                tmp_path / "p" / name / f"{number}.png", cv2.convertScaleAbs(photo, None, gain)
            )
        crowd.write(tmp_path / "p" / name / "wall.png", np.full((300, 300, 3), 90, np.uint8))
    found = edged("eval", "people", tmp_path / "p", "--no-degradations", "--json").json
    assert found["acquisition"]["by_reason"] == {"no_face": 2}
    assert found["acquisition"]["views"] == 4
    assert "detector" in found["discard"]["curves"]


def test_a_folder_without_any_face_is_refused(edged, tmp_path):
    for name in "ab":
        for number in range(2):
            grey = np.full((200, 200, 3), 90 + number, np.uint8)
            crowd.write(tmp_path / "p" / name / f"{number}.png", grey)
    ran = edged("eval", "people", tmp_path / "p")
    assert ran.code == 2
    assert "none of the 4 images can be measured: 4 × no face found" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--gallery", "9"), "a gallery of 9 needs as many people with more than 1 images"),
        (("--thumbnails",), "--thumbnails belongs to --report"),
        (("--json", "{tmp}/x", "--report", "{tmp}/x"), "name the same file"),
        (("--report", "{tmp}"), "is a folder; name a file"),
        (("--json", "{tmp}/none/r.json"), "cannot be written: No such file"),
        (("--bundle", "nothing"), "no model bundle 'nothing'"),
        (("--seed", "0"), "expected a whole number from 1"),
        (("--quick", "--no-degradations"), "not allowed with"),
        (("--aligned", "--central"), "not allowed with"),
    ],
)
def test_what_cannot_be_is_refused_before_the_long_work(
    edged, people, tmp_path, monkeypatch, arguments, told
):
    def never(*_):
        raise AssertionError("an image was measured")

    monkeypatch.setattr(instruments.Instrument, "read", never)
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    ran = edged("eval", "people", people, *given)
    assert ran.code == 2
    assert told in ran.err + ran.out


def test_one_photo_a_person_is_refused(edged, tmp_path):
    ran = edged("eval", "people", crowd.crowd(tmp_path, people=3, photos=1), "--aligned")
    assert ran.code == 2
    assert "nobody has two images" in ran.err


def test_a_reference_that_is_no_network_is_refused(edged, people, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    ran = edged("eval", "people", people, *QUICK, "--reference", tmp_path / "x.onnx")
    assert ran.code == 1
    assert "x.onnx" in ran.err


def test_without_the_libraries_it_says_what_to_install(edged, people, monkeypatch, tmp_path):
    monkeypatch.setattr("edged.cli.eval.find_spec", lambda _: None)
    ran = edged("eval", "people", people, "--report", tmp_path / "r.html")
    assert ran.code == 2
    assert "scipy and matplotlib not installed; pip install 'edged[eval]'" in ran.err


def test_a_second_run_with_a_cache_asks_no_network_and_says_the_same(edged, tmp_path, monkeypatch):
    people = crowd.crowd(tmp_path / "few", people=2, photos=2)
    command = ("eval", "people", people, "--aligned", "--quick", "--json", "--cache")
    plain, first = edged(*command[:-1]).json, edged(*command, tmp_path / "c").json

    def never(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(instruments.Instrument, "_measure", never)
    second = edged(*command, tmp_path / "c").json
    for found in (plain, first, second):
        found["protocol"].pop("date")
    assert plain == first == second


def test_an_interrupted_run_exits_130_and_the_next_goes_on(edged, people, tmp_path, monkeypatch):
    real = instruments.Instrument._measure
    asked = []

    def measure(self, data):
        if len(asked) == 20:
            raise KeyboardInterrupt
        asked.append(data)
        return real(self, data)

    monkeypatch.setattr(instruments.Instrument, "_measure", measure)
    out = tmp_path / "r.json"
    command = ("eval", "people", people, *QUICK, "--json", out, "--cache", tmp_path / "c")
    ran = edged(*command)
    assert ran.code == 130
    assert "the same command goes on from there" in ran.err
    assert not out.exists()
    asked.clear()
    assert edged(*command).code == 0
    assert len(asked) == len(find_people(people).images) - 20


def test_a_cache_that_others_can_read_is_refused(edged, people, tmp_path):
    (tmp_path / "c").mkdir(mode=0o755)
    ran = edged("eval", "people", people, *QUICK, "--cache", tmp_path / "c")
    assert ran.code == 2
    assert "biometric templates" in ran.err


@pytest.fixture
def pairs(people):
    lines = [f"p{n:02d}/0.png,p{n:02d}/{k}.png,1" for n in range(8) for k in (1, 2, 3)]
    lines += [f"p{n:02d}/0.png,p{m:02d}/1.png,0" for n in range(8) for m in range(8) if n != m]
    path = people.parent / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pairs_are_measured_with_what_a_comparison_would_answer(edged, people, pairs, tmp_path):
    report = tmp_path / "r.html"
    ran = edged("eval", "pairs", pairs, "--root", people, "--aligned", "--json", "--report", report)
    found = ran.json
    assert found["what"] == "pairs"
    assert found["comparisons"] == {"genuine": 24, "impostor": 56}
    assert found["thresholds"][0]["fnmr"]["bounds"] == "independent"
    for row in found["verification"]:
        assert sum(row["genuine"].values()) == 24
        assert sum(row["impostor"].values()) == 56
    assert any("not independent" in note for note in found["notes"])
    assert "1:1 rule" in Page(report.read_text()).text


def test_pairs_with_an_image_that_gives_nothing_are_counted(edged, people, pairs, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    pairs.write_text(pairs.read_text() + f"p00/0.png,{tmp_path / 'bad.png'},1\n")
    got = edged("eval", "pairs", pairs, "--root", people, "--aligned", "--json").json["acquisition"]
    assert (got["pairs"], got["pairs_not_measured"]) == (81, 1)
    assert got["by_reason"] == {"unreadable": 1}


def test_a_pair_that_names_a_missing_file_is_refused(edged, pairs):
    ran = edged("eval", "pairs", pairs)  # relative to the list, where there is nobody
    assert ran.code == 2
    assert "line 1: no such file: " in ran.err
    assert "more problems" in ran.err


@pytest.mark.data
def test_real_people_match_themselves(edged, data_dir, tmp_path):
    for person in sorted((data_dir / "photos-dev").iterdir())[:8]:
        (tmp_path / person.name).symlink_to(person)
    found = edged("eval", "people", tmp_path, "--no-degradations", "--json").json
    assert found["acquisition"]["views"] >= 70
    at = {row["promised_fmr"]: row for row in found["thresholds"]}
    assert at[1e-3]["fnmr"]["value"] < 0.25
    assert at[1e-3]["fmr"]["value"] < 0.02
