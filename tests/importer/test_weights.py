"""The published RTS weights: safe to read, checked key by key, and the same network to 1e-4."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch reads the published weights; edged[import]")

from edged.errors import BundleError  # noqa: E402
from edged.importer.irse import HEADS, Rts  # noqa: E402
from edged.importer.weights import find_head, load, read_weights  # noqa: E402

FILE = Path("weights.pth")
COMPONENTS = 32


def randomised(network, seed=1):
    """Weights and, above all, the statistics of every norm away from 0 and 1."""
    torch.manual_seed(seed)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.1)
        elif isinstance(part, torch.nn.PReLU):
            torch.nn.init.uniform_(part.weight, 0.1, 0.4)
    return network.eval()


@pytest.fixture(scope="module")
def weights():
    """Both heads trained, as keys and tensors."""
    found = {}
    for head, components in (("plain", 1), ("plus", COMPONENTS)):
        found |= randomised(Rts(head, components)).state_dict()
    return found


# --- the same network


@pytest.mark.parametrize("head", ["plain", "plus"])
def test_it_computes_what_the_published_class_does(head):
    pytest.importorskip("addict", reason="modelscope needs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        published = pytest.importorskip(
            "modelscope.models.cv.face_recognition.torchkit.rts_backbone",
            reason="modelscope has the published class",
            exc_type=ImportError,
        )
        theirs = published.RTSBackbone(alpha=COMPONENTS, rts_plus=head == "plus")
    randomised(theirs)
    ours = load(FILE, theirs.state_dict(), head).eval()
    image = torch.empty(2, 3, 112, 112).uniform_(-1, 1)
    with torch.no_grad():
        embedding, log_variances = theirs(image)
        for network in (ours, ours.folded()):
            mine, mean = network(image)
            assert (mine - embedding).abs().max() <= 1e-4 * embedding.abs().max()
            assert (mean - log_variances.mean(1)).abs().max() <= 1e-4 * max(
                1, log_variances.abs().max()
            )


# --- safe to read


class _Runs:
    """A pickle of it calls a function when it is loaded."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self):
        return (Path.touch, (self.made,))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_none_of_it_has_run(tmp_path, how):
    made, path = tmp_path / "made", tmp_path / "evil.pth"
    content = {"state_dict": {"features": torch.zeros(2)}, "more": _Runs(made)}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(BundleError, match=r"would run code|not a file of torch weights"):
        read_weights(path)
    assert not made.exists()
    torch.load(path, weights_only=False) if how == "torch" else pickle.loads(path.read_bytes())
    assert made.exists(), "it would have run"


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(100), b"\x80\x02}q\x00"])
def test_what_is_no_file_of_weights_is_told_so(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"weights\.pth: (not a file|the file is empty)"):
        read_weights(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_cut_short_is_told_so(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    tensors = {"features.0.0.weight": torch.ones(64, 3, 3, 3)}
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        pytest.importorskip("safetensors.torch", reason="safetensors").save_file(tensors, path)
    assert read_weights(path).keys() == tensors.keys()
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(BundleError, match="cut short"):
        read_weights(path)


def test_a_file_that_is_missing_or_holds_no_tensors_is_told_so(tmp_path):
    with pytest.raises(BundleError, match="No such file"):
        read_weights(tmp_path / "none.pth")
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(BundleError, match="holds no weights"):
        read_weights(tmp_path / "a.pth")
    torch.save([torch.zeros(1)], tmp_path / "b.pth")
    with pytest.raises(BundleError, match="found list"):
        read_weights(tmp_path / "b.pth")


def test_wrappings_of_training_are_taken_off(tmp_path):
    inner = {"module.module.features.0.0.weight": torch.ones(2)}
    torch.save({"epoch": 3, "state_dict": inner}, tmp_path / "a.pth")
    assert list(read_weights(tmp_path / "a.pth")) == ["features.0.0.weight"]


# --- checked key by key


def test_everything_missing_unexpected_and_of_another_shape_is_listed(weights):
    spoilt = dict(weights)
    for i in range(9):
        del spoilt[f"features.1.{i}.res_layer.0.weight"]
    spoilt["features.9.extra"] = torch.zeros(1)
    spoilt["features_backbone.0.weight"] = torch.zeros(256, 25088)
    spoilt["features.0.1.bias"] = torch.full((64,), torch.nan)
    with pytest.raises(BundleError) as caught:
        load(FILE, spoilt, "plain")
    text = str(caught.value)
    assert "missing: 9 (features.1.0.res_layer.0.weight, " in text
    assert "and 3 more)" in text
    assert "unexpected: 1 (features.9.extra)" in text
    assert "features_backbone.0.weight is (256, 25088), must be (512, 25088)" in text
    assert "not finite numbers: 1 (features.0.1.bias)" in text


def test_another_network_is_refused():
    with pytest.raises(BundleError, match="not the weights of IR-SE-64"):
        load(FILE, {"conv1.weight": torch.zeros(64, 3, 7, 7)}, "plain")


def test_counters_of_batches_may_be_missing_and_halves_become_whole(weights):
    kept = {k: v.half() for k, v in weights.items() if "num_batches_tracked" not in k}
    network = load(FILE, kept, "plus")
    assert network.features[0][0].weight.dtype == torch.float32


def untrained(weights, head):
    fresh = {**weights, f"{HEADS[head]}.1.running_mean": torch.zeros(1)}
    return {**fresh, f"{HEADS[head]}.1.running_var": torch.ones(1)}


def test_the_head_that_was_trained_is_found(weights):
    assert find_head(FILE, untrained(weights, "plain")) == "plus"
    assert find_head(FILE, untrained(weights, "plus")) == "plain"
    only = {k: v for k, v in weights.items() if not k.startswith(HEADS["plus"])}
    assert find_head(FILE, only) == "plain"


def test_two_trained_heads_are_asked_about(weights):
    with pytest.raises(BundleError, match="--head plain or --head plus"):
        find_head(FILE, weights)
    assert find_head(FILE, weights, "plus") == "plus"
    with pytest.raises(BundleError, match="two untrained"):
        find_head(FILE, untrained(untrained(weights, "plain"), "plus"))
