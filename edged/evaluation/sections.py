"""The report's chapters, each made of the document's facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.evaluation import plots
from edged.evaluation.html import element, figure, table
from edged.evaluation.words import (
    MEASURES,
    NONE,
    PROFILES,
    bounds,
    counts,
    number,
    percent,
    power,
)

if TYPE_CHECKING:
    from edged.evaluation.html import Html

    Document = dict[str, Any]

_STAR = "* as if the comparisons were independent, which makes the bounds too narrow"


def matching(document: Document) -> list[Html]:
    """Error rates: the DET curve, and tables with counts and bounds."""
    rows = [
        (
            f"{power(row['promised_fmr'])} ({row['basis']})",
            number(row["similarity"]),
            power(row["fmr"]["value"]),
            bounds(row["fmr"], power),
            counts(row["fmr"]),
            percent(row["fnmr"]["value"]),
            bounds(row["fnmr"]),
            counts(row["fnmr"]),
        )
        for row in document["thresholds"]
    ]
    parts = [
        element("h2", "Comparisons"),
        element(
            "p",
            "The false match rate (FMR) is the share of comparisons of different people that "
            "pass, the false non-match rate (FNMR) that of comparisons of one person that do not.",
        ),
        figure(
            plots.det(document),
            "DET curve: the two error rates at every threshold. The labels are the FMR that the "
            "bundle promises at its thresholds.",
        ),
        table(
            f"At the bundle's thresholds, with 95 % bounds. {_STAR}.",
            ("promised FMR", "similarity", "FMR", "95 %", "counted", "FNMR", "95 %", "counted"),
            rows,
        ),
    ]
    rounds = [
        (
            power(row["fmr"]),
            number(row["similarity"]),
            " to ".join(number(end) for end in row["similarity_bounds"])
            if row["similarity_bounds"]
            else NONE,
            percent(row["fnmr"]["value"]),
            bounds(row["fnmr"]),
            counts(row["fnmr"]),
        )
        for row in document["at_fmr"]
    ]
    if rounds:
        parts.append(
            table(
                "At the false match rates that the counts support (30 false matches or more), "
                "with thresholds from these comparisons, which the bounds draw again with them.",
                ("FMR", "similarity", "95 %", "FNMR", "95 %", "counted"),
                rounds,
            )
        )
    return parts


def score(document: Document) -> list[Html]:
    """Discards and calibration."""
    curves = document["discard"]["curves"]
    similarity = number(document["discard"]["threshold"])
    drawings = [
        figure(
            plots.discard("discard", curves),
            "Error versus discard: FNMR at the bundle's threshold for FMR 1e-4 "
            f"({similarity}) once the worst views are discarded. The lower the curve falls, the "
            "better the measure knows which views fail.",
        )
    ]
    if "half_damaged" in document:
        drawings.append(
            figure(
                plots.discard("half", document["half_damaged"]["discard"]),
                f"The same over {document['half_damaged']['views']} views of which half are "
                "damaged, one kind and level each.",
            )
        )
    if "reliability" in document:
        drawings.append(
            figure(
                plots.reliability(document),
                "Calibration: the quality is a promise of how many genuine comparisons pass. On "
                "the line it is kept, below it is broken. Bars: 95 % by people.",
            )
        )
    shares = (0.0, 0.05, 0.1, 0.2, 0.3)
    rows = []
    for measure, curve in curves.items():
        at = {point["share"]: point for point in curve}
        rows.append(
            (
                MEASURES[measure],
                *(
                    f"{percent(at[s]['value'])} ({counts(at[s])})" if s in at else NONE
                    for s in shares
                ),
            )
        )
    parts = [
        element("h2", "What the score is worth"),
        element("div", *drawings, class_="plots"),
        table(
            "FNMR after discarding the worst views by each measure.",
            ("discarded by", *(f"{share:.0%}" for share in shares)),
            rows,
        ),
    ]
    if "reliability" in document:
        parts.append(_bands(document))
    return parts


def _bands(document: Document) -> Html:
    rows = [
        (
            f"{band['low']:.2f} to {band['high']:.2f}",
            f"{band['views']:,}",
            band["people"],
            percent(band["promised"]),
            percent(band["passed"]),
            NONE
            if band["passed_low"] is None
            else f"{percent(band['passed_low'])} to {percent(band['passed_high'])}",
        )
        for band in document["reliability"]["undamaged"]["bands"]
        if band["views"]
    ]
    return table(
        "Promised and kept, views as they are. Quality means: "
        f"{document['protocol']['quality_means']}.",
        ("quality", "views", "people", "promised", "passed", "95 %"),
        rows,
    )


def damage(document: Document) -> list[Html]:
    """Every kind of damage at every level."""
    found = document["damage"]
    rows = [
        (
            row["kind"],
            row["level"],
            number(row["auroc"]["score"]),
            number(row["auroc"]["norm"]),
            number(row["auroc"]["sharpness"]),
            percent(row["passed"]["value"]),
            counts(row["passed"]),
            number(row["quality"][2], 2),
            *(percent(row["retaken"][name]) for name in PROFILES),
        )
        for row in found["rows"]
    ]
    heads = ("kind", "level", "score", "norm", "sharpness", "passed", "counted", "median quality")
    retaken = (f"retake, {name}" for name in PROFILES.values())
    return [
        element("h2", "Damaged views"),
        element(
            "p",
            f"{found['views']} of the views, damaged on purpose and compared with themselves "
            "undamaged. Photos that were poor to begin with hold the AUROC down.",
        ),
        figure(
            plots.damage(document),
            "How surely the score (filled) and the embedding's norm (hollow) tell a damaged view "
            "from an undamaged one.",
            full=True,
        ),
        table(
            "By kind and level: AUROC, genuine comparisons that still pass, and what each profile "
            "would ask to repeat.",
            (*heads, *retaken),
            rows,
            text=2,
        ),
    ]


def search(document: Document) -> list[Html]:
    """The door's search."""
    rows = [
        (
            f"{found['gallery']:,}",
            PROFILES[profile["name"]],
            number(profile["threshold"]),
            percent(profile["asked_fpir"]),
            f"{percent(profile['fpir']['value'])} ({counts(profile['fpir'])})",
            bounds(profile["fpir"]),
            f"{percent(profile['fnir']['value'])} ({counts(profile['fnir'])})",
            bounds(profile["fnir"]),
            profile["mistaken"],
            percent(profile["retaken_mates"]["value"]),
        )
        for found in document["identification"]
        for profile in found["profiles"]
    ]
    heads = ("gallery", "profile", "threshold", "FPIR asked", "FPIR", "95 %", "FNIR", "95 %")
    refused = ", ".join(
        f"{found['not_enrolled']} for {found['gallery']}" for found in document["identification"]
    )
    return [
        element("h2", "Search (1:N)"),
        element(
            "p",
            "People enrolled as the door enrols them, everybody's other photos searched one by "
            "one, strangers among them. The bounds draw who is searched; they hold the one gallery "
            "that was drawn fixed, and other galleries differ by more: --seed draws another. A "
            "door that fuses several frames does better.",
        ),
        figure(
            plots.identification(document),
            "FNIR against FPIR over all thresholds, every view taken (lines), and what the door's "
            "profiles give with their minimum quality (marks; a profile without a false positive "
            "has none).",
        ),
        table(
            f"The door's policy. People whose photos enrolment would refuse: {refused}. {_STAR}.",
            (*heads, "mistaken", "asked to retake"),
            rows,
            text=2,
        ),
    ]


def verification(document: Document) -> list[Html]:
    """The 1:1 rule's answers."""
    rows = [
        (kind, PROFILES[row["profile"]], *(f"{count:,}" for count in row[kind].values()))
        for row in document["verification"]
        for kind in ("genuine", "impostor")
    ]
    first = document["verification"][0]
    return [
        element("h2", "1:1 rule"),
        table(
            f"What a 1:1 comparison answers: same above {first['same']}, different below "
            f"{first['different']}, retake where a view's quality is too low for the profile.",
            ("pairs", "profile", *first["genuine"]),
            rows,
            text=2,
        ),
    ]


def reference(document: Document) -> list[Html]:
    """Two networks side by side."""
    found = document["reference"]
    rows = [
        (
            power(row["fmr"]),
            f"{number(row['similarity'])} / {number(row['reference_similarity'])}",
            f"{percent(row['fnmr']['value'])} ({counts(row['fnmr'])})",
            f"{percent(row['reference_fnmr']['value'])} ({counts(row['reference_fnmr'])})",
        )
        for row in found["at_fmr"]
    ]
    alike, other = found["agreement"], document["protocol"]["reference"]
    own = document["protocol"]["precision"]
    return [
        element("h2", "Beside the reference network"),
        table(
            f"{own} beside {other['precision']}, on the same {alike['images']:,} chips, each at "
            "its own threshold. Embeddings: cosine "
            f"{number(alike['mean_cosine'], 4)} on average, {number(alike['worst_cosine'], 4)} at "
            f"worst. Score: rank correlation {number(alike['rank_correlation'], 4)}.",
            ("FMR", "thresholds", f"FNMR, {own}", f"FNMR, {other['precision']} reference"),
            rows,
        ),
    ]
