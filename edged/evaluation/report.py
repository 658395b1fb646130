"""The report to read: the document's facts with plots, in one file that loads nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.evaluation import sections
from edged.evaluation.html import Html, element, page, picture, table
from edged.evaluation.words import bounds, counts, number, percent, power

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, Any]

_CASES = {
    "genuine": "Least similar views of one person",
    "impostor": "Most similar views of different people (perhaps one person under two names)",
    "quality": "Views of the lowest quality",
}


def report(document: Document, pictures: Sequence[Sequence[bytes]] | None) -> str:
    """The page.

    Args:
        document: as `people.measure` and `pairs.measure` give it, with "worst".
        pictures: for each case of "worst" the JPEGs of its files; None leaves faces and names of
            files out of the page.
    """
    about = document["protocol"]
    parts: list[Html] = [
        element("h1", f"{about['bundle'].split('#')[0]} on your people"),
        element("p", _intro(document), class_="soft"),
        element("div", *_cards(document), class_="cards"),
    ]
    if document["notes"]:
        notes = (element("li", note) for note in document["notes"])
        parts.append(element("ul", *notes, class_="notes"))
    parts += [*sections.matching(document), *sections.score(document)]
    if "damage" in document:
        parts += sections.damage(document)
    if document.get("identification"):
        parts += sections.search(document)
    if "verification" in document:
        parts += sections.verification(document)
    if "reference" in document:
        parts += sections.reference(document)
    parts += _acquisition(document)
    if pictures is not None:
        parts += _worst(document, pictures)
    parts += _protocol(document)
    return page(f"{about['bundle']}: evaluation", *parts)


def _intro(document: Document) -> str:
    about, got, compared = (document[part] for part in ("protocol", "acquisition", "comparisons"))
    people = f" of {about['people']:,} people" if "people" in about else ""
    return (
        f"{got['views']:,} views{people}, {compared['genuine']:,} genuine and "
        f"{compared['impostor']:,} impostor comparisons, {about['precision']} on "
        f"{about['runtime']} ({about['device']}), {about['date'][:10]}."
    )


def _card(value: str, what: str, more: str) -> Html:
    return element(
        "div", element("b", value), element("span", what), element("span", more), class_="card"
    )


def _cards(document: Document) -> list[Html]:
    promised = {row["promised_fmr"]: row for row in document["thresholds"]}
    cards = []
    for fmr in (1e-3, 1e-4):
        if fmr in promised:
            row = promised[fmr]
            cards.append(
                _card(
                    percent(row["fnmr"]["value"]),
                    f"missed (FNMR) at the threshold for FMR {power(fmr)}",
                    f"{bounds(row['fnmr'])}; measured FMR {power(row['fmr']['value'])}",
                )
            )
    error = document["equal_error"]
    mean = (error["fmr"] + error["fnmr"]) / 2
    cards.append(_card(percent(mean), "equal error rate", f"at {error['similarity']:.3f}"))
    found = document["acquisition"]["failure_to_acquire"]
    cards.append(_card(percent(found["value"]), "failed to acquire", f"{counts(found)} files"))
    if "reliability" in document:
        shown = document["reliability"]["undamaged"]["expected_error"]
        cards.append(
            _card(number(shown), "expected error of the quality", "as a probability; 0 is best")
        )
    for one in document.get("identification", [])[-1:]:
        access = next(p for p in one["profiles"] if p["name"] == "access")
        cards.append(
            _card(
                f"{percent(access['fpir']['value'])} / {percent(access['fnir']['value'])}",
                f"FPIR / FNIR, 1:{one['gallery']}, access",
                f"FPIR asked for: {percent(access['asked_fpir'])}",
            )
        )
    if document.get("accuracy"):
        found = document["accuracy"]
        spread = f"± {percent(found['standard_error'])} over {found['folds']} folds"
        cards.append(_card(percent(found["mean"]), "accuracy", spread))
    return cards


def _acquisition(document: Document) -> list[Html]:
    found = document["acquisition"]
    rate = found["failure_to_acquire"]
    rows = [
        ("files tried", f"{found['files']:,}"),
        ("views", f"{found['views']:,}"),
        ("failed to acquire", f"{counts(rate)}, {percent(rate['value'])}, {bounds(rate)}"),
        *((f"… {why.replace('_', ' ')}", count) for why, count in found["by_reason"].items()),
        ("photos with several prominent faces, one taken", found["several_faces"]),
    ]
    if "pairs" in found:
        rows.append(("pairs not measured, an image gave nothing", found["pairs_not_measured"]))
    return [
        element("h2", "What could not be measured"),
        table("The files' names are in the JSON.", ("", ""), rows),
    ]


def _worst(document: Document, pictures: Sequence[Sequence[bytes]]) -> list[Html]:
    parts = [
        element("h2", "Worst cases"),
        element("p", "This page holds faces of people: pass it on only to whom you may."),
    ]
    cases = list(zip(document["worst"], pictures, strict=True))
    for what, title in _CASES.items():
        cards = []
        for case, faces in cases:
            if case["what"] != what:
                continue
            label = "quality" if what == "quality" else "similarity"
            images = [picture(jpeg, name) for jpeg, name in zip(faces, case["files"], strict=True)]
            names = (element("span", name, class_="mono") for name in case["files"])
            value = element("div", f"{label} {case['value']:.3f}")
            cards.append(element("div", *images, value, *names, class_="face"))
        if cards:
            parts += [element("h3", title), element("div", *cards, class_="faces")]
    return parts


def _protocol(document: Document) -> list[Html]:
    about = dict(document["protocol"])
    reference = about.pop("reference", None)
    if reference:
        about["reference"] = ", ".join(str(value) for value in reference.values())
    rows = [(name.replace("_", " "), value) for name, value in about.items()]
    return [
        element("h2", "Protocol"),
        table("How this was measured.", ("", ""), rows, text=2),
    ]
