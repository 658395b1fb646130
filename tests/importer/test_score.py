"""Form and direction of a score are measured; the graph computes what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import Model
from edged.errors import BundleError
from edged.importer.graph import Form, append_form, append_norm, only_towards
from edged.importer.score import check_norm, find_form, separation
from edged.runtime.choose import open_runner
from tests.importer import networks
from tests.importer.test_foreign import tiny

RNG = np.random.default_rng(5)
CLEAN = RNG.normal(0, 0.5, (200, 1)).astype(np.float32)
WORSE = {kind: CLEAN + RNG.normal(2, 0.5, (200, 1)).astype(np.float32) for kind in ("blur", "dark")}


def seen(turn):
    return turn(CLEAN), {kind: turn(values) for kind, values in WORSE.items()}


@pytest.mark.parametrize(
    ("turn", "what"),
    [
        (lambda x: x, "log variance"),
        (lambda x: -x, "log of a quality"),
        (np.exp, "variance"),
        (lambda x: 100 / (1 + np.exp(x)), "quality"),
        (lambda x: 1e6 * x - 3e6, "log variance, rescaled"),
        (lambda x: np.hstack([np.exp(x), 2 * np.exp(x)]), "variance"),
    ],
)
def test_whichever_way_it_points_a_bad_view_ends_with_the_larger_log_variance(turn, what):
    clean, worse = seen(turn)
    form, found = find_form(clean, worse)
    assert found == what
    turned = separation(form.apply(clean), {k: form.apply(v) for k, v in worse.items()})
    assert turned.mean > 0.97
    assert turned.enough
    everything = form.apply(np.concatenate([clean, *worse.values()]))
    assert np.abs(everything).max() < 20, "beyond that frames can no longer be weighed"


def test_a_variance_becomes_the_mean_of_its_components_logarithms():
    clean, worse = seen(lambda x: np.hstack([np.exp(x), np.exp(3 * x)]))
    form, _ = find_form(clean, worse)
    assert form.apply(clean) == pytest.approx(2 * CLEAN[:, 0], abs=1e-4)


def test_what_is_known_to_be_a_logarithm_is_taken_as_one_although_it_is_positive():
    clean, worse = seen(lambda x: x + 4)
    form, what = find_form(clean, worse, logarithm=True)
    assert (form, what) == (Form(1.0), "log variance")


def test_a_score_that_says_nothing_is_refused_with_every_figure():
    found = separation(CLEAN[:, 0], {"blur": WORSE["blur"][:, 0], "dark": CLEAN[::-1, 0]})
    with pytest.raises(BundleError) as caught:
        found.require("the score")
    text = str(caught.value)
    assert "AUROC 0.85 in the mean and 0.70 for each" in text
    assert "blur             0.9" in text
    assert "dark             0.500  too low" in text


def test_a_score_that_is_blind_to_one_kind_is_refused_although_its_mean_is_high():
    kinds = {f"kind {i}": WORSE["blur"][:, 0] for i in range(6)}
    found = separation(CLEAN[:, 0], kinds | {"dark": CLEAN[:, 0]})
    assert found.mean > 0.9
    assert not found.enough


def test_embeddings_of_one_length_leave_nothing_to_go_by():
    rows = RNG.normal(size=(50, 8)).astype(np.float32)
    check_norm(rows)
    with pytest.raises(BundleError, match="--uncertainty"):
        check_norm(64 * rows / np.linalg.norm(rows, axis=1, keepdims=True))


def ran(model, names, tmp_path):
    path = networks.save(model, tmp_path / "n.onnx")
    runner = open_runner(path, names, Model())
    try:
        image = np.random.default_rng(1).uniform(-1, 1, (1, 3, 112, 112)).astype(np.float32)
        return runner.run(image)
    finally:
        runner.close()


@pytest.mark.parametrize(
    "form", [Form(1.0), Form(-2.0, 0.5), Form(0.25, floor=1e-3), Form(-0.125, 3.0, floor=0.2)]
)
def test_the_graph_computes_what_was_measured(tmp_path, form):
    model = tiny()
    (raw,) = ran(model, ["embedding"], tmp_path)
    name = append_form(model, "embedding", 8, form)
    networks.onnx.checker.check_model(model, full_check=True)
    (log_variance,) = ran(model, [name], tmp_path)
    assert log_variance.shape == (1,)
    assert log_variance == pytest.approx(form.apply(raw), abs=1e-4)


def test_the_stand_in_is_minus_twice_the_logarithm_of_the_length(tmp_path):
    model = tiny()
    name = append_norm(model, "embedding", 8)
    embedding, log_variance = ran(model, ["embedding", name], tmp_path)
    assert log_variance == pytest.approx([-2 * np.log(np.linalg.norm(embedding))], abs=1e-4)


def test_a_name_that_is_taken_is_not_taken_twice(tmp_path):
    model = tiny()
    model.graph.node[-1].output[0] = "log_variance"
    networks.outputs(model, embedding=[1, 8], log_variance=[1])
    name = append_form(model, "log_variance", 1, Form(-1.0))
    assert name != "log_variance"
    assert [item.name for item in model.graph.output] == ["embedding", name]


def test_what_only_the_score_needs_is_told_apart():
    model = tiny()
    assert only_towards(model, "doubt", ["embedding"]) == ["doubt"]


@given(
    st.floats(-5, 5).filter(lambda w: abs(w) > 0.01),
    st.floats(-5, 5),
    st.lists(st.floats(0.001, 1000), min_size=2, max_size=20, unique=True),
)
def test_a_form_keeps_the_order_or_turns_it_round(weight, offset, scores):
    column = np.array(sorted(scores), np.float32)[:, None]
    turned = np.sign(weight) * Form(weight, offset, floor=1e-4).apply(column)
    assert (np.diff(turned) >= -1e-4).all()
