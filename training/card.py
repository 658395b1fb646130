"""The model card: every figure comes from the report of the build that wrote the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training import data
from training.calibrate import FIT_FMR
from training.evaluate import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from training.report import Report

HEAD = """\
# mobilefacenet-rts 1.0.0

A face recogniser for door terminals: one INT8 ONNX file (QDQ, every zero point 0) that gives a
192-D embedding and, in the same pass, how far that embedding can be trusted. The base is
MobileFaceNet; the trust comes from Random Temperature Scaling (Shang et al., AAAI 2023,
arXiv 2212.01015), retrofitted to the frozen base as one linear head.

**It does not detect presentation attacks.** A photograph or a screen held before the camera is
recognised like the person on it, with a good score. Where that matters, add a liveness check or a
second factor.

## Use

`image` float32 (1, 3, 112, 112), RGB, `(x - 127.5) / 128`, aligned on five points (manifest).
`embedding` float32 (1, 192), not normalised; normalise it, compare by cosine. `log_variance`
float32 (1,), the mean of the head's 16 log variances: larger is worse.
"""

LIMITS = """\
## Limits

- The false match table comes from press photos of mixed people. Among people of one family, age,
  sex and origin, false matches are more frequent; no table from public photos knows your site.
- The publishers of the base trained it on MS-Celeb-1M (refined), a set of celebrities that
  probably overlaps LFW: genuine figures here flatter it, webcams are harder.
- Entries marked `extrapolated` are a fitted tail. Identical twins are not in it.
- Quality is calibrated on photos and painted damage, not on your camera. It says how likely this
  view is to match its own person, not whether the person is who they claim to be.
- Children, masks and full profiles were not measured.
"""


def write(report: Report, training: dict[str, Any], recipe: dict[str, Any]) -> str:
    """Render the card in Markdown."""
    parts = [
        HEAD,
        _training(training, recipe),
        _matching(report),
        _quality(report),
        _quantised(report),
        _door(report),
        LIMITS,
    ]
    return "\n".join(parts)


def _training(training: dict[str, Any], recipe: dict[str, Any]) -> str:
    numbers = ", ".join(f"{k} {v}" for k, v in recipe.items())
    return f"""\
## Training

Only the head is trained: {training["images"]} photos of {training["people"]} people.
Data: {training["data"]}. {numbers}.

People are split {data.SPLIT}. Every figure below is from development people, except the false
match table, for which all people may be used, since the base is not trained here.
"""


def _matching(report: Report) -> str:
    tail = report.tail
    rows = [
        (f"{r['fmr']:.0e}", f"{r['similarity']:.3f}", r["basis"], _interval(report, r["fmr"]))
        for r in report.false_match
    ]
    fnmr = [
        (
            f"{r['fmr']:.0e}",
            f"{r['threshold']:.3f}",
            _share(r["failed"], r["tried"]),
            _share(r["failed_float"], r["tried"]),
        )
        for r in report.fnmr
    ]
    low, high = FIT_FMR
    return f"""\
## Similarity

{report.calibration["impostor_comparisons"]:,} impostor comparisons among
{report.calibration["images"]:,} photos of {report.calibration["people"]:,} people, INT8
embeddings; intervals from 200 draws of people.

{_table(("FMR", "similarity", "basis", "95 % interval"), rows)}
Below 1e-5 the counts are made of the set's own errors: among the hundred closest impostor pairs
nearly all above 0.70 are one person under two names, a wrong name, or twins. So the tail is fitted
between {low:.0e} and {high:.0e} only, and never looks at them: a normal tail (mean
{tail["mu"]:.4f}, deviation {tail["sigma"]:.4f}) and a generalised Pareto tail truncated at the
window's end (scale {tail["scale"]:.4f}, shape {tail["shape"]:.3f}). Fitted one decade earlier and
asked for 1e-5, where {tail["counted_at_1e-5"]:.3f} was counted, the normal tail says
{tail["normal_from_1e-4"]:.3f} and the Pareto tail {tail["pareto_from_1e-4"]:.3f}: they bracket the
truth, and the table takes the middle.

Genuine comparisons of held-out people (at most ten photos a person):

{_table(("FMR", "threshold", "FNMR INT8", "FNMR float"), fnmr)}"""


def _quality(report: Report) -> str:
    auroc = [(s.kind, s.views, f"{s.score:.3f}", f"{s.norm:.3f}") for s in report.separations]
    discards = [
        (
            f"{share:.0%}",
            _share(*report.discard["score"][share]),
            _share(*report.discard["norm"][share]),
        )
        for share in report.discard["score"]
    ]
    mixed = [
        (f"{share:.0%}", f"{score:.2%}", f"{report.discard_half_degraded['norm'][share]:.2%}")
        for share, score in report.discard_half_degraded["score"].items()
    ]
    where = [
        (
            name,
            *(f"{q:.2f}" for q in quantiles),
            *(f"{v:.1%}" for v in report.below_minimum[name].values()),
        )
        for name, quantiles in report.quality_of.items()
    ]
    profiles = [f"below {v} ({k})" for k, v in report.quality["minimum"].items()]
    quality = report.quality
    return f"""\
## Quality

`quality = 1 / (1 + exp({quality["slope"]} * (log_variance - {quality["midpoint"]})))`, the
{quality["meaning"]}. Expected calibration error {report.calibration_error:.3f} over five folds of
people ({report.views:,} views; {report.pass_rates["undegraded"]:.1%} of undegraded and
{report.pass_rates["degraded"]:.1%} of degraded comparisons pass).

Clean frontal against bad views, AUROC; the norm of the embedding is the baseline that needs no
training:

{_table(("against", "views", "score", "norm"), auroc)}
FNMR at FMR 1e-4 after discarding the worst undegraded photos:

{_table(("discarded", "by score", "by norm"), discards)}
The same over views of which half are randomly degraded:

{_table(("discarded", "by score", "by norm"), mixed)}
Where views land (quantiles of quality), and what each profile sends back for a retake:

{_table(("views", "5 %", "25 %", "50 %", "75 %", "95 %", *profiles), where)}"""


def _quantised(report: Report) -> str:
    ms = report.latency_ms
    clean, bad = report.clean_agreement, report.degraded_agreement
    rows = [
        (
            name,
            a.images,
            f"{a.mean_cosine:.4f}",
            f"{a.worst_cosine:.4f}",
            f"{a.rank_correlation:.4f}",
        )
        for name, a in (("held-out photos", clean), ("the same, randomly degraded", bad))
    ]
    base = ms["OpenVINO float"]
    times = [(name, f"{value / base:.2f}") for name, value in ms.items()]
    return f"""\
## INT8 beside float

{report.size_bytes / 1e6:.2f} MB. The head's one row stays float: quantised, it cost the score its
order and the embedding some cosine.

{_table(("views", "count", "mean cosine", "worst", "rank correlation of score"), rows)}
Time of one face, two threads, in units of OpenVINO float (one run, taking turns):

{_table(("", "ratio"), times)}"""


def _door(report: Report) -> str:
    door = report.door
    rows = []
    for kind, counts in door["counts"].items():
        total = sum(counts.values())
        granted = counts.get("granted", 0)
        low, high = clopper_pearson(granted, total)
        others = ", ".join(f"{k} {v}" for k, v in sorted(counts.items()) if k != "granted")
        spread = " / ".join(f"{q:.2f}" for q in door["quantiles"][kind])
        interval = f"{low:.1%} to {high:.1%}"
        rows.append((kind, total, granted, interval, others or "none", spread))
    names = (
        "presented",
        "windows",
        "granted",
        "95 % (if independent)",
        "other outcomes",
        "similarity 0 / 5 / 50 / 95 / 100 %",
    )
    return f"""\
## A check at webcams

Nothing was tuned on this. Six people before webcams on one to three days, in dim, backlit and
overexposed rooms; a gallery of {door["gallery"]:,} (all LFW people are in it); the threshold that
the table gives for FPIR 0.3 %: {door["threshold"]:.3f}; minimum quality of the access profile.
Enrolled from the five best frames of one day, presented on another in windows of five frames fused
with weights exp(-log_variance). Strangers are presented to the gallery without themselves.
Print: photographs of enrolled people held before the webcam.

{_table(names, rows)}
Windows of one person on one day resemble each other, so the true uncertainty is larger than the
intervals say: six people support no claim about a population.
"""


def _interval(report: Report, fmr: float) -> str:
    ends = report.intervals.get(f"{fmr:.0e}")
    return f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""


def _share(events: int, trials: int) -> str:
    low, high = clopper_pearson(events, trials)
    return f"{events / trials:.2%} ({events} of {trials}; {low:.2%} to {high:.2%})"


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(c) for c in line) + " |\n" for line in lines)
