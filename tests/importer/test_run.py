"""A whole import in float: what comes out, what is refused, and that nothing is left behind."""

from __future__ import annotations

import errno
import hashlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from edged.bundle.inspect import inspect
from edged.bundle.load import load_bundle
from edged.camera.images import read_image
from edged.config.schema import Model, Vision
from edged.errors import BundleError, DiskFull, EvaluationError
from edged.importer import run as importer
from edged.importer.faces import read_faces
from edged.importer.foreign import read_foreign
from edged.importer.measure import score, separate
from edged.importer.run import run
from edged.service.engine import Engine
from edged.vision.reference import _PORTRAIT
from tests.importer import networks
from tests.importer.conftest import SHIPPED_FORM
from tests.importer.networks import constant, node


def quiet(_):
    return


@pytest.fixture(scope="session")
def faces(people):
    whole = read_faces(people, 112, aligned=True)
    return whole.chips[whole.sample(8)]


# --- what comes out


def test_the_bundle_is_whole_signed_by_nobody_and_suits_every_runtime(imported):
    bundle = load_bundle(imported.folder)
    inspect(bundle)
    assert bundle.identity == imported.identity
    assert bundle.recogniser.quality.source == "network"
    assert bundle.recogniser.training is None
    assert set(imported.measured.runtimes) == {"openvino", "onnxruntime"}
    assert sorted(path.name for path in imported.folder.iterdir()) == [
        "MODEL_CARD.md",
        "manifest.yaml",
        "model.onnx",
        "selftest.npz",
    ]
    assert list(imported.folder.parent.iterdir()) == [imported.folder]


def test_the_manifest_says_where_the_network_comes_from(imported, network):
    manifest = load_bundle(imported.folder).recogniser
    assert manifest.provenance[0].sha256 == hashlib.sha256(network.read_bytes()).hexdigest()
    assert manifest.licences[0].licence == "Apache-2.0, as its makers say"


def test_what_too_few_comparisons_support_is_marked_extrapolated(imported):
    rows = load_bundle(imported.folder).recogniser.similarity.false_match
    assert rows[0].fmr == 1e-2
    assert {row.basis for row in rows[1:]} == {"extrapolated"}
    for row in rows[:3]:
        assert row.interval is not None
        assert row.interval[0] <= row.similarity == row.interval[1]  # doubt counts as risk


def test_the_daemons_engine_embeds_a_face_with_it_as_with_the_shipped_one(imported):
    portrait = read_image(_PORTRAIT)
    settings = Model(bundle=str(imported.folder), allow_unsigned=("made",))
    with Engine(settings, Vision()) as engine:
        made = engine.extract(portrait).embedded
        assert engine.selftest is not None
    with Engine(Model(), Vision()) as engine:
        shipped = engine.extract(portrait).embedded
    assert float(made.embedding @ shipped.embedding) > 0.98
    assert made.log_variance == pytest.approx(shipped.log_variance, abs=0.2)
    assert 0.5 < made.quality <= 1


def test_the_card_tells_what_was_measured_and_names_nobody(imported):
    card = (imported.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "12 with 60 images" in card
    assert "| blur |" in card
    assert "extrapolated" in card
    assert "person-" not in card + (imported.folder / "manifest.yaml").read_text(encoding="utf-8")


def test_a_network_without_a_score_gets_the_stand_in_and_says_so(request_for):
    done = run(request_for(uncertainty=None), quiet)
    bundle = load_bundle(done.folder)
    assert bundle.recogniser.quality.source == "embedding_norm"
    assert "no score of its own" in (done.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    settings = Model(bundle=str(done.folder), allow_unsigned=("made",))
    with Engine(settings, Vision()) as engine:
        assert engine.extract(read_image(_PORTRAIT)).embedded.quality > 0.3


# --- which way a score points


def turned(network, *steps):
    """The network with `log_variance` put through operators; `-1` and the like are factors."""
    model = networks.onnx.load(str(network))
    name = "log_variance"
    for number, step in enumerate(steps):
        new = f"step_{number}"
        if isinstance(step, str):
            node(model, step, [name], new)
        else:
            node(model, "Mul", [name, constant(model, f"by_{number}", float(step))], new)
        name = new
    size = 192
    networks.outputs(model, embedding=[1, size])
    model.graph.output.append(
        networks.helper.make_tensor_value_info(name, networks.TensorProto.FLOAT, [1])
    )
    return model, name


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        (["Exp"], "variance"),
        ([-1, "Sigmoid"], "quality"),
    ],
)
def test_the_same_score_in_another_form_ranks_views_as_before(
    tmp_path, network, faces, steps, what
):
    def of(path, name):
        found = read_foreign(path, "embedding", name, SHIPPED_FORM)
        return score(found, networks.save(found.model, tmp_path / "run.onnx"), faces)

    usual = of(network, "log_variance")
    model, name = turned(network, *steps)
    other = of(networks.save(model, tmp_path / "n.onnx"), name)
    assert other.what == what
    assert separate(other.outputs).auroc == pytest.approx(separate(usual.outputs).auroc, abs=0.01)


# --- what is refused


def refused(request, *words, kind=BundleError):
    with pytest.raises(kind) as caught:
        run(request, quiet)
    for word in words:
        assert word in str(caught.value)
    assert not request.out.exists()
    assert not [p for p in request.out.parent.iterdir() if p.name.startswith(".")]


def test_a_score_that_does_not_separate_is_refused_with_the_figures(tmp_path, network, request_for):
    model = networks.onnx.load(str(network))
    node(model, "ReduceMean", ["image"], "level", axes=[1, 2, 3], keepdims=0)
    networks.outputs(model, embedding=[1, 192], level=[1])
    path = networks.save(model, tmp_path / "n.onnx")
    refused(request_for(file=path, uncertainty="level"), "AUROC 0.85", "blur", "too low")


def test_a_network_that_normalises_inside_and_has_no_score_is_refused(
    tmp_path, network, request_for
):
    model = networks.onnx.load(str(network))
    node(model, "LpNormalization", ["embedding"], "unit", axis=1, p=2)
    networks.outputs(model, unit=[1, 192])
    path = networks.save(model, tmp_path / "n.onnx")
    refused(request_for(file=path, embedding="unit", uncertainty=None), "the length 1")


def test_a_network_that_gives_no_numbers_is_refused(tmp_path, network, request_for):
    model, name = turned(network, -1000, "Sqrt")
    path = networks.save(model, tmp_path / "n.onnx")
    refused(request_for(file=path, uncertainty=name), f"output {name}: no finite numbers")


def test_a_network_that_cannot_run_on_one_face_is_refused(tmp_path, network, request_for):
    model = networks.onnx.load(str(network))
    node(model, "Reshape", ["embedding", constant(model, "to", [2, 192])], "pair")
    networks.outputs(model, pair=[2, 192])
    path = networks.save(model, tmp_path / "n.onnx")
    refused(request_for(file=path, embedding="pair", uncertainty=None), "one face")


def test_people_who_are_not_told_apart_are_refused(tmp_path, people, request_for):
    mixed = tmp_path / "mixed"
    for number, path in enumerate(sorted(people.glob("*/*.png"))):
        home = mixed / f"p{number % 10}"  # everybody in everybody's folder
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number}.png").write_bytes(path.read_bytes())
    kinds = (BundleError, EvaluationError)
    refused(request_for(people=mixed), "people", kind=kinds)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "No Name"}, "--name"),
        ({"version": "one"}, "--version"),
        ({"licence": ""}, "--licence"),
    ],
)
def test_words_that_no_manifest_takes_are_refused_first(request_for, change, words):
    refused(replace(request_for(**change), people=None), words)


def test_people_that_are_not_there_are_refused(tmp_path, request_for):
    refused(request_for(people=tmp_path / "nobody"), "no such folder", kind=EvaluationError)


def test_nothing_is_ever_overwritten(tmp_path, request_for):
    request = request_for()
    request.out.mkdir()
    (request.out / "mine").write_text("precious")
    with pytest.raises(BundleError, match="exists already"):
        run(request, quiet)
    assert (request.out / "mine").read_text() == "precious"


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_an_import_that_is_interrupted_or_finds_the_disk_full_leaves_nothing(request_for, fault):
    request = request_for()

    def stop(step):
        if step.startswith("measuring"):
            raise fault

    with suppress(KeyboardInterrupt, DiskFull):
        run(request, stop)
        pytest.fail("it went on")
    assert not list(request.out.parent.glob(".*"))
    assert not request.out.exists()


def test_the_ranges_of_int8_are_set_by_damaged_faces_too(people):
    faces = read_faces(people, 112, aligned=True)
    ranging = importer._ranging(faces)
    rows = faces.sample(len(faces))
    same = [np.array_equal(a, faces.chips[row]) for a, row in zip(ranging, rows, strict=True)]
    assert same == [i % 6 != 0 for i in range(60)]
