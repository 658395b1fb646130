"""The model card: every figure comes from the report of the build that wrote the network."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from edged.evaluation.degrade import LEVELS
from edged.evaluation.intervals import clopper_pearson
from edged.evaluation.quality import MINIMUM
from edged.evaluation.risk import FIT_FMR
from training import data, manifest
from training.matching import SHOWN_FMR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edged.evaluation.quality import Chosen
    from training.report import Report

AIM_ERROR = 0.03
AIM_AUROC = 0.98

HEAD = """\
# mobilefacenet-rts VERSION

A face recogniser for door terminals: one INT8 ONNX file (QDQ, every zero point 0) that gives a
192-D embedding and, in the same pass, how far that embedding can be trusted. The base is
MobileFaceNet; the trust comes from Random Temperature Scaling (Shang et al., AAAI 2023,
arXiv 2212.01015), retrofitted as one linear head, and from the length of the embedding.

**It does not detect presentation attacks.** A photograph or a screen held before the camera is
recognised like the person on it, with a good score: see the check at webcams below. Where that
matters, add a liveness check or a second factor.

## Use

`image` float32 (1, 3, 112, 112), RGB, `(x - 127.5) / 128`, aligned on five points (manifest).
`embedding` float32 (1, 192), not normalised; normalise it, compare by cosine. `log_variance`
float32 (1,), the mean of the head's log variances: larger is worse.
"""

LIMITS = """\
## Limits

- The false match table comes from press photos of mixed people. Among people of one family, age,
  sex and origin, false matches are more frequent; no table from public photos knows your site.
- Entries marked `extrapolated` are a fitted tail, which does not know identical twins.
- The base's publishers trained it on refined MS-Celeb-1M, celebrities who probably overlap LFW:
  genuine figures here flatter it.
- Quality is calibrated on photos and painted damage, not on your camera. It says how likely this
  view is to match its own person, not whether the person is who they claim to be.
- Children and full profiles were not measured; masks, hands, sunglasses and turned heads are
  painted, but for the real half profiles. Bound the head's turn by its landmarks as well.
"""


def write(report: Report, training: dict[str, Any], recipe: dict[str, Any]) -> str:
    """Render the card in Markdown."""
    parts = [
        HEAD.replace("VERSION", manifest.VERSION),
        _training(training, recipe),
        _matching(report),
        _quality(report),
        _kinds(report),
        _quantised(report),
        _door(report),
        LIMITS,
    ]
    return "\n".join(parts)


def _training(training: dict[str, Any], recipe: dict[str, Any]) -> str:
    numbers = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in recipe.items())
    return f"""\
## Training

{
        _text(
            f"{training['images']:,} photos of {training['people']} people. Data: "
            f"{training['data']}. Recipe: {numbers}."
        )
    }
{
        _text(
            f"People are split {data.SPLIT}. Every figure below is from development people, except "
            "the false match table, for which all people are used: what makes the "
            "embedding never learned whose faces they are."
        )
    }"""


def _matching(report: Report) -> str:
    matching = report.matching
    rows = [
        (
            f"{r['fmr']:.0e}",
            f"{r['similarity']:.3f}",
            f"{r['interval'][0]:.3f} to {r['interval'][1]:.3f}",
            r["basis"],
            f"{single['similarity']:.3f}",
        )
        for r, single in zip(matching.false_match, matching.single, strict=False)
    ]
    kinds = [
        (
            name,
            f"{k['comparisons'] / 1e6:.1f} M",
            *(f"{c:.3f} ({s:.3f})" for c, s in zip(k["counted"], k["line"], strict=True)),
        )
        for name, k in matching.kinds.items()
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
    tail, earlier, line = matching.tail, matching.earlier, matching.line
    return f"""\
## Similarity

{
        _text(
            f"{matching.comparisons:,} impostor comparisons among {matching.images:,} photos of "
            f"{matching.people:,} people, INT8 embeddings ({matching.unusable} views without a "
            "finite output left out). A door compares a template fused from several photos with a "
            "probe fused from several frames, and fusing takes away noise that kept look-alikes "
            "apart: so the table is the strictest of photos, of fused templates against photos, "
            f"and of fused templates against fused probes ({matching.fused_people:,} people with "
            "two photos or more, at most five fused). Intervals from 200 draws of people, in each "
            "of which counts, line and tail are made anew; `measured` means counted, with ten "
            "comparisons or more, between photos and of templates against photos."
        )
    }
{_table(("FMR", "similarity", "95 % interval", "basis", "between photos"), rows)}
{
        _text(
            "What meets what: similarity counted and, in brackets, what one line fitted where "
            "templates meet photos says of it (fusing one side moves a similarity s to "
            f"{line['offset']:.4f} + {line['slope']:.4f} s at every FMR, fusing both sides does "
            "it twice). Where nothing can be counted the table goes along that line."
        )
    }
{_table(("", "comparisons", *(f"{f:.0e}" for f in SHOWN_FMR)), kinds)}
{
        _text(
            f"Label errors are never removed: {matching.suspects} pairs of people reach the "
            "similarity at FMR 1e-8, and to the eye most are one person under two names or a wrong "
            "name, the rest twins and sisters. They are in every count, which makes "
            "the counted rows too strict rather than too lax. Below 1e-5 they would be most of the "
            "count (1e-6 above), so there the table is a tail fitted between "
            f"{low:.0e} and {high:.0e} only: a normal tail (mean {tail['mu']:.4f}, deviation "
            f"{tail['sigma']:.4f}) and a generalised Pareto tail truncated at the window's end "
            f"(scale {tail['scale']:.4f}, shape {tail['shape']:.3f}). Fitted one decade earlier "
            f"and asked for 1e-5, where {earlier['counted']:.3f} was counted, the normal tail says "
            f"{earlier['normal']:.3f} and the Pareto tail {earlier['pareto']:.3f}: the table takes "
            f"the middle. At 1e-9 they are {_gap(report):.3f} apart."
        )
    }
Genuine comparisons of held-out people (at most ten photos a person, thresholds between photos):

{_table(("FMR", "threshold", "FNMR INT8", "FNMR float"), fnmr)}"""


def _quality(report: Report) -> str:
    quality = report.quality
    discards = [
        (
            f"{share:.0%}",
            _share(*quality.discard["score"][share]),
            _share(*quality.discard["norm"][share]),
            _share(*quality.discard_frontal["score"][share]),
            _share(*quality.discard_frontal["norm"][share]),
        )
        for share in quality.discard["score"]
    ]
    mixed = [
        (f"{share:.0%}", f"{score:.2%}", f"{quality.discard_half_degraded['norm'][share]:.2%}")
        for share, score in quality.discard_half_degraded["score"].items()
    ]
    bands = [
        (
            f"{b.low:.2f} to {b.high:.2f}",
            b.views,
            f"{b.passed:.1%}",
            f"{b.false_matches / b.impostors:.1e} ({b.false_matches} of {b.impostors / 1e6:.1f} M)",
        )
        for b in quality.bands
    ]
    chosen = quality.chosen
    reliability = [
        (
            f"{b.low:.3f} to {b.high:.3f}",
            b.views,
            f"{b.promised:.3f}",
            f"{b.passed:.3f}",
            f"{b.interval[0]:.3f} to {b.interval[1]:.3f}",
        )
        for b in chosen.reliability
    ]
    words = [
        (
            level.name,
            f"{level.least:.2f}",
            f"{level.share:.0%}",
            f"{level.failed:.1%}",
            "" if level.failed_undegraded is None else f"{level.failed_undegraded:.1%}",
        )
        for level in (*quality.levels, *quality.minimum)
    ]
    return f"""\
## Quality

{_curve(chosen)}
{
        _text(
            "is the probability that a genuine comparison made with this view passes at FMR 1e-4 "
            f"between photos ({report.quality_similarity:.3f}) against an undegraded photo, fitted "
            f"on {quality.views:,} views of held-out people, half of them randomly degraded "
            f"({quality.passed['undegraded']:.1%} of undegraded and "
            f"{quality.passed['degraded']:.1%} of degraded comparisons pass; {chosen.broken} views "
            f"without a finite output). {_choice(chosen)}"
        )
    }
Promised and kept, each person judged by a curve fitted on others; bounds by drawing people:

{_table(("quality", "views", "promised", "passed", "95 % interval"), reliability)}
What the words and the profiles' minimum qualities mean in misses at that threshold (a word: views
of that word; a profile: views at or above its minimum):

{_table(("", "from quality", "of all views", "missed", "missed, undegraded"), words)}
{_table(("quality", "views", "genuine passed", "false matches at the same threshold"), bands)}
A bad view costs misses; it does not make false matches more frequent.

{
        _text(
            "FNMR at FMR 1e-4 after discarding the worst undegraded photos, of all and of frontal "
            "ones. The norm of the embedding is the baseline that needs no training. Aim, frontal: "
            "at most 3.3 % and 2.3 % after 10 % and 20 %:"
        )
    }
{_table(("discarded", "by score", "by norm", "frontal, by score", "by norm"), discards)}
The same over views of which half are randomly degraded:

{_table(("discarded", "by score", "by norm"), mixed)}"""


def _kinds(report: Report) -> str:
    rows = [
        (
            k.name,
            k.views,
            f"{k.auroc:.3f}",
            f"{k.auroc_norm:.3f}",
            "" if k.passed is None else f"{k.passed:.0%}",
            " / ".join(f"{q:.2f}" for q in k.quantiles),
            " / ".join(f"{v:.1%}" for v in k.below.values()),
        )
        for k in report.quality.kinds
    ]
    profiles = ", ".join(f"{name} {low:.2f}" for name, low in MINIMUM.items())
    names = (
        "views",
        "count",
        "AUROC score",
        "norm",
        "passed",
        "quality 5 / 25 / 50 / 75 / 95 %",
        "retaken",
    )
    return f"""\
## What the score makes of views

{
        _text(
            "AUROC against clean frontal photos; the share of genuine comparisons that pass at FMR "
            "1e-4 against clean frontal photos; and what each profile sends back for a retake "
            f"({profiles})."
        )
    }
{_table(names, rows)}
{_damage(report)}"""


def _damage(report: Report) -> str:
    """AUROC by kind and level; bold where the norm, which needs no training, is better."""
    rows = []
    worse, below = [], []
    for row in report.quality.damage:
        cells = []
        for level in LEVELS:
            score, norm = row[level]["score"], row[level]["norm"]
            cells.append(f"{score:.3f} ({norm:.3f})")
            if level == "middle":
                worse += [row["kind"]] if score < norm else []
                below += [f"{row['kind']} {score:.3f}"] if score < AIM_AUROC else []
        rows.append((row["kind"], *cells))
    missed = "; ".join(below) or "none"
    return f"""\
AUROC against clean frontal photos by level of damage, the norm in brackets:

{_table(("damage", *LEVELS), rows)}
{
        _text(
            f"Aim at the middle level: {AIM_AUROC} or more. Missed: {missed}. Worse than the norm: "
            f"{', '.join(worse) or 'none'}."
        )
    }"""


def _curve(chosen: Chosen) -> str:
    form = chosen.curve.as_manifest()
    if form["method"] == "logistic":
        inner = f"{form['slope']:g} * (log_variance - {form['midpoint']:g})"
        return f"    quality = 1 / (1 + exp({inner}))\n"
    points = [(f"{p['log_variance']:g}", f"{p['quality']:g}") for p in form["points"]]
    return "Straight lines between\n\n" + _table(("log variance", "quality"), points)


def _choice(chosen: Chosen) -> str:
    errors = ", ".join(f"{name} {error:.4f}" for name, error in chosen.errors.items())
    low, high = chosen.gain
    why = (
        "more than chance explains, so the isotonic curve is used"
        if chosen.method == "isotonic"
        else "no more than chance explains, so the simpler logistic is used"
    )
    met = "met" if chosen.error <= AIM_ERROR else "MISSED"
    return (
        f"Expected calibration error over five folds of people: {errors}; the isotonic curve is "
        f"less wrong by {low:+.4f} to {high:+.4f} (95 %, drawing people), {why}. Aim, at most "
        f"{AIM_ERROR}: {met}. Largest error of a band: {chosen.worst_band:.3f}."
    )


def _quantised(report: Report) -> str:
    ms = report.latency_ms
    rows = [
        (
            name,
            a.images,
            f"{a.mean_cosine:.4f}",
            f"{a.worst_cosine:.4f}",
            f"{a.rank_correlation:.4f}",
        )
        for name, a in (
            ("held-out photos", report.clean_agreement),
            ("the same, randomly degraded", report.degraded_agreement),
        )
    ]
    base = ms["OpenVINO float"]
    times = [(name, f"{value / base:.2f}") for name, value in ms.items()]
    return f"""\
## INT8 beside float

{
        _text(
            f"{report.size_bytes / 1e6:.2f} MB. The head, the convolution over the whole last map "
            "and the sums of the residual blocks stay float. On its CPU provider onnxruntime takes "
            "the int8 weights and computes in float, which is faster there than its int8 kernels."
        )
    }
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
        rows.append((kind, total, granted, f"{low:.1%} to {high:.1%}", others or "none", spread))
    names = (
        "presented",
        "presentations",
        "granted",
        "95 % (if independent)",
        "other outcomes",
        "similarity 0 / 5 / 50 / 95 / 100 %",
    )
    return f"""\
## A check at webcams

{
        _text(
            "The threshold was not tuned on this; the access profile's minimum was chosen with "
            "these frames' quality in view. Six people before webcams on one to three days, in "
            f"dim, backlit and overexposed rooms; a gallery of {door['gallery']:,} (all LFW "
            f"people are in it); the threshold that the table gives for FPIR 0.3 %, "
            f"{door['threshold']:.3f}; the access profile. "
            "Enrolled from the five best frames of one day, presented on another "
            "(four people have one) in windows of five frames fused with weights "
            "exp(-log_variance). Strangers are presented to the gallery without themselves. "
            "Print: photographs of enrolled people held before the webcam. A presentation is one "
            "window against one enrolment day."
        )
    }
{_table(names, rows)}
{
        _text(
            _prints(report) + "Windows of one person on one day resemble each other, so the true "
            "uncertainty is larger than the intervals say: six people support no claim about a "
            "population."
        )
    }"""


def _prints(report: Report) -> str:
    everyone = set(report.door["counts"]["print"]) == {"granted"}
    return "Every photograph opened the door. " if everyone else ""


def _gap(report: Report) -> float:
    """How far apart the two tails are at 1e-9; the table holds their middle."""
    tail = report.matching.tail
    return abs(tail["normal_1e-9"] - tail["pareto_1e-9"])


def _share(events: int, trials: int) -> str:
    low, high = clopper_pearson(events, trials)
    return f"{events / trials:.2%} ({events} of {trials}; {low:.2%} to {high:.2%})"


def _text(paragraph: str) -> str:
    return textwrap.fill(paragraph, 100, break_long_words=False, break_on_hyphens=False) + "\n"


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(c) for c in line) + " |\n" for line in lines)
