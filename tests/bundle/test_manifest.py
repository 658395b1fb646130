"""Each field of a manifest, wrong: refused by its name."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.bundle.load import load_bundle
from edged.bundle.manifest import LogisticQuality
from edged.errors import BundleError
from edged.types import QualityLevel, RiskPoint
from tests.bundle.conftest import MISSING

WRONG = [
    ("schema", 2, "schema: must be 1 (got 2)"),
    ("schema", MISSING, "schema: is missing"),
    ("kind", "oracle", "kind: must be 'recogniser', 'detector' (got 'oracle')"),
    ("kind", MISSING, "kind: is missing"),
    ("name", "../tiny", "name: "),
    ("name", "", "name: "),
    ("version", 1.0, "version: must be text (got 1.0)"),
    ("version", "one", "version: "),
    ("colour", "red", "colour: is not known here (got 'red')"),
    ("input.name", "", "input.name: "),
    ("input.width_px", 0, "input.width_px: must be >= 16 (got 0)"),
    ("input.width_px", 112.5, "input.width_px: must be a whole number (got 112.5)"),
    ("input.height_px", 100000, "input.height_px: must be <= 1024"),
    ("input.colour", "grey", "input.colour: must be 'rgb' or 'bgr' (got 'grey')"),
    ("input.mean", "bright", "input.mean: must be a number (got 'bright')"),
    ("input.mean", math.nan, "input.mean: must be a finite number (got nan)"),
    ("input.scale", 0, "input.scale: must be > 0 (got 0)"),
    ("input.scale", True, "input.scale: must be a number, not true or false (got True)"),
    ("alignment.landmarks", [[1, 2], [3, 4], [5, 6], [7, 8]], "alignment.landmarks.4: is missing"),
    ("alignment.landmarks.2", [1, 2, 3], "alignment.landmarks.2: "),
    ("alignment.landmarks.2", [8, 99], "alignment.landmarks must lie inside the input"),
    ("outputs.embedding.size", -1, "outputs.embedding.size: must be >= 8 (got -1)"),
    ("outputs.embedding.name", MISSING, "outputs.embedding.name: is missing"),
    ("outputs.log_variance.name", "embedding", "outputs: embedding and log_variance must be two"),
    ("quality.method", "magic", "quality.method: must be 'logistic', 'isotonic' (got 'magic')"),
    ("quality.slope", -1, "quality.slope: must be > 0 (got -1)"),
    ("quality.slope", math.inf, "quality.slope: must be a finite number (got inf)"),
    ("quality.midpoint", None, "quality.midpoint: must be a number (got None)"),
    ("quality.meaning", "", "quality.meaning: "),
    ("quality.levels.good", 0.9, "quality.levels: must fall from excellent over good to fair"),
    ("quality.levels.fair", -0.1, "quality.levels.fair: must be >= 0 (got -0.1)"),
    ("quality.minimum.access", 1.5, "quality.minimum.access: must be <= 1 (got 1.5)"),
    ("quality.minimum.high_security", MISSING, "quality.minimum.high_security: is missing"),
    ("similarity.verification.same", 0.35, "similarity.verification: same must be above"),
    ("similarity.verification.different", -2, "similarity.verification.different: must be >= -1"),
    ("similarity.false_match", [], "similarity.false_match: "),
    ("similarity.false_match.1.fmr", 0.01, "similarity.false_match: row 1 must have a lower fmr"),
    ("similarity.false_match.1.fmr", 0, "similarity.false_match.1.fmr: must be > 0 (got 0)"),
    ("similarity.false_match.1.similarity", 0.7, "similarity.false_match: row 2 must have"),
    ("similarity.false_match.1.similarity", 0.3, "similarity.false_match: row 1 must have"),
    ("similarity.false_match.1.basis", "felt", "similarity.false_match.1.basis: must be "),
    ("calibration.people", -1, "calibration.people: must be >= 0 (got -1)"),
    ("calibration.split", 5, "calibration.split: must be text (got 5)"),
    ("training.seed", "x", "training.seed: must be a whole number (got 'x')"),
    ("training.recipe", MISSING, "training.recipe: is missing"),
    ("network", "other.onnx", "network other.onnx is not listed in files"),
    ("network", "../model.onnx", "network: must be the plain name of a file"),
    ("network", "/etc/passwd", "network: must be the plain name of a file"),
    ("files", {}, "files: "),
    ("licences", [], "licences: "),
    ("licences.0.licence", MISSING, "licences.0.licence: is missing"),
    ("provenance.0.sha256", "0" * 63, "provenance.0.sha256: "),
    ("notes", 7, "notes: must be text (got 7)"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "said"), WRONG)
def test_a_wrong_field_is_refused_by_its_name(written, field, value, said):
    written.set(field, value)
    with pytest.raises(BundleError) as fault:
        load_bundle(written.folder)
    assert f"tiny/manifest.yaml: {said}" in str(fault.value) or (
        "tiny/manifest.yaml: (file): " in str(fault.value) and said in str(fault.value)
    )


@pytest.mark.parametrize(
    "name", ["../model.onnx", "/etc/passwd", "sub/model.onnx", "..", ".", "a\\b", "a\nb", ""]
)
def test_a_file_outside_the_folder_cannot_be_listed(written, name):
    written.data["files"][name] = "0" * 64
    written.write()
    with pytest.raises(BundleError, match=r"manifest\.yaml: files\."):
        load_bundle(written.folder)


def test_a_digest_that_is_none_is_refused(written):
    written.data["files"]["model.onnx"] = "ABC"
    written.write()
    with pytest.raises(BundleError, match=r"files\.model\.onnx: "):
        load_bundle(written.folder)


def test_the_manifest_cannot_list_itself(written):
    written.data["files"]["manifest.yaml"] = "0" * 64
    written.write()
    with pytest.raises(BundleError, match=r"files: the manifest cannot list itself"):
        load_bundle(written.folder)


def test_every_problem_is_told_at_once(written):
    written.set("quality.slope", -1)
    written.set("training.seed", MISSING)
    with pytest.raises(BundleError) as fault:
        load_bundle(written.folder)
    assert len(str(fault.value).splitlines()) == 2


@pytest.mark.parametrize("missing", ["pnet", "rnet", "onet"])
def test_a_detector_needs_its_three_networks(written_detector, missing):
    written_detector.set(f"networks.{missing}", MISSING)
    with pytest.raises(BundleError, match=rf"networks\.{missing}: is missing"):
        load_bundle(written_detector.folder)


def test_a_detectors_network_must_be_listed(written_detector):
    written_detector.set("networks.rnet", "other.onnx")
    with pytest.raises(BundleError, match=r"networks\.rnet other\.onnx is not listed"):
        load_bundle(written_detector.folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"\(file\): expected the fields"),
        ("- 1\n- 2\n", r"\(file\): expected the fields"),
        ("name: [\n", "line 2: "),
        ("name:\n\tx: 1\n", "line 2: "),
        ("name: a\nname: b\n", "line 2: name stands twice"),
        ("a: &x [1]\nb: *x\n", "line 2: aliases are not allowed"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1: "),
        ("? [1, 2]\n: x\n", "line 1: expected a name"),
        ("a: \x00\n", r"\(file\): not readable"),
        ("[" * 5000, r"\(file\): |line 1"),
    ],
)
def test_text_that_is_no_manifest_is_refused(written, text, said):
    (written.folder / "manifest.yaml").write_text(text)
    with pytest.raises(BundleError, match=rf"manifest\.yaml: {said}"):
        load_bundle(written.folder)


def test_a_manifest_that_is_huge_or_binary_is_refused(written):
    path = written.folder / "manifest.yaml"
    path.write_bytes(b"# " + b"x" * 300_000)
    with pytest.raises(BundleError, match="larger than"):
        load_bundle(written.folder)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match="not UTF-8"):
        load_bundle(written.folder)
    path.unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(written.folder)


def test_a_sound_manifest_is_read_whole(written):
    manifest = load_bundle(written.folder).recogniser
    assert manifest.input.colour == "rgb"
    assert manifest.alignment.landmarks[2] == (8.0, 9.0)
    assert manifest.similarity.risk[0] == RiskPoint(0.01, 0.3)
    assert manifest.similarity.false_match[2].basis == "extrapolated"
    with pytest.raises(ValueError, match="frozen"):
        manifest.version = "2.0.0"


def logistic(midpoint: float = -1.0, slope: float = 2.0) -> LogisticQuality:
    return LogisticQuality.model_validate(
        {
            "method": "logistic",
            "midpoint": midpoint,
            "slope": slope,
            "meaning": "test",
            "levels": {"excellent": 0.85, "good": 0.65, "fair": 0.4},
            "minimum": {"attendance": 0.4, "access": 0.5, "high_security": 0.65},
        }
    )


def test_quality_is_the_logistic_of_the_log_variance():
    quality = logistic()
    assert quality.quality(-1.0) == 0.5
    assert quality.quality(0.0) == pytest.approx(1 / (1 + math.exp(2)))
    assert quality.quality(-3.0) == pytest.approx(1 / (1 + math.exp(-4)))


@pytest.mark.parametrize("doubt", [math.nan, math.inf, -math.inf])
def test_a_doubt_that_is_no_number_has_no_quality(doubt):
    assert logistic().quality(doubt) == 0.0


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.floats(min_value=1e-6, max_value=1e6))
def test_quality_is_a_share_and_never_rises_with_doubt(one, other, slope):
    quality = logistic(slope=slope)
    low, high = sorted((one, other))
    assert 0.0 <= quality.quality(high) <= quality.quality(low) <= 1.0


@pytest.mark.parametrize(
    ("quality", "level"),
    [
        (1.0, QualityLevel.EXCELLENT),
        (0.85, QualityLevel.EXCELLENT),
        (0.849, QualityLevel.GOOD),
        (0.65, QualityLevel.GOOD),
        (0.4, QualityLevel.FAIR),
        (0.399, QualityLevel.POOR),
        (0.0, QualityLevel.POOR),
        (math.nan, QualityLevel.POOR),
    ],
)
def test_levels_are_lower_bounds(quality, level):
    assert logistic().level(quality) is level


@pytest.mark.parametrize("version", ["\u0663.0.0", "1.\u0967.0", "1.0", "v1.0.0", "1.0.0\n"])
def test_a_version_is_three_numbers_in_ascii(written, version):
    written.set("version", version)
    with pytest.raises(BundleError, match="version"):
        load_bundle(written.folder)
