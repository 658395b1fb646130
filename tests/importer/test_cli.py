"""``edged model import`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edged.cli.main import main


@pytest.fixture
def edged(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        code = main(["model", "import", *[str(arg) for arg in argv]])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


WORDS = ("--name", "made", "--version", "1.0.0", "--licence", "MIT")


def test_an_import_tells_what_it_measured_and_the_bundle_verifies(
    edged, network, people, tmp_path, capsys
):
    code, out, _ = edged(
        *(network, "--calibration", people, "--aligned", *WORDS, "--float", "--json"),
        *("--embedding", "embedding", "--uncertainty", "log_variance", "--scale", 1 / 128),
    )
    assert code == 0
    told = json.loads(out)
    assert out.count("\n") == 1
    assert told["score"] == "log variance"
    assert told["calibration"]["people"] == 12
    assert set(told["auroc"]) >= {"blur", "dark", "noise"}
    assert told["folder"] == "made"
    assert main(["model", "keygen", "signer.key"]) == 0
    assert main(["model", "sign", "made", "--key", "signer.key"]) == 0
    capsys.readouterr()
    public = next(tmp_path.glob("signer*pub*"))
    assert main(["model", "verify", "made", "--key", str(public)]) == 0
    assert "self-test passed" in capsys.readouterr().out


def test_options_of_the_other_kind_of_file_are_refused(edged, tmp_path):
    code, _, err = edged("a.pth", "--calibration", tmp_path, *WORDS, "--scale", "1")
    assert code == 2
    assert "--scale: not for the RTS weights" in err
    code, _, err = edged("a.onnx", "--calibration", tmp_path, *WORDS, "--head", "plus")
    assert code == 2
    assert "--head: not for an ONNX network" in err


@pytest.mark.parametrize(
    ("file", "options", "told"),
    [
        ("a.onnx", ["--float"], "scipy, onnx not installed"),
        ("a.onnx", [], "scipy, onnx, nncf, onnxruntime not installed"),
        ("a.pt", ["--float"], "scipy, onnx, torch not installed"),
        ("a.safetensors", [], "scipy, onnx, torch, safetensors, nncf, onnxruntime not installed"),
    ],
)
def test_without_the_libraries_it_says_what_to_install(tmp_path, file, options, told):
    """In a process that has none of them, where any import of one fails."""
    names = ["scipy", "onnx", "torch", "safetensors", "nncf", "onnxruntime"]
    code = (
        f"import sys; sys.modules |= dict.fromkeys({names!r}); "
        "from edged.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    argv = ["model", "import", file, "--calibration", ".", *WORDS, *options]
    ran = subprocess.run(
        [sys.executable, "-c", code, *argv],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"edged: {told}; pip install 'edged[import]'\n"


def test_a_refusal_is_one_document_too(edged, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"hello")
    code, out, _ = edged("a.onnx", "--calibration", tmp_path, *WORDS, "--float", "--json")
    assert code == 2
    assert "not an ONNX file" in json.loads(out)["text"]
    assert not (tmp_path / "made").exists()
