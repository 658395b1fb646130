"""A few pieces of HTML in which no text can become markup."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Nothing is loaded from anywhere; styles and pictures are in the page.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


class Html(str):
    """Text that is markup already; everything else is escaped where it is put in."""

    __slots__ = ()


def put(value: object) -> Html:
    """A value as it may stand in a page."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def element(tag: str, *content: object, **attributes: object) -> Html:
    """An element; an attribute called ``class_`` is a class."""
    told = "".join(
        f' {name.rstrip("_")}="{put(value)}"' for name, value in attributes.items() if value
    )
    return Html(f"<{tag}{told}>{''.join(put(piece) for piece in content)}</{tag}>")


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]], text: int = 1
) -> Html:
    """A table with a caption; the first ``text`` columns are words, the others numbers."""

    def cells(tag: str, values: Sequence[object]) -> Html:
        return element(
            "tr",
            *(
                element(tag, value, class_="n" if at >= text else "text" if at else "")
                for at, value in enumerate(values)
            ),
        )

    body = [cells("td", row) for row in rows]
    head = [element("thead", cells("th", heads))] if any(heads) else []
    whole = element("table", element("caption", caption), *head, element("tbody", *body))
    return element("div", whole, class_="wide")


def figure(drawing: str, caption: str, *, full: bool = False) -> Html:
    """A drawing of our own, which is markup, with its caption."""
    return element(
        "figure", Html(drawing), element("figcaption", caption), class_="full" if full else ""
    )


def picture(jpeg: bytes, alternative: str) -> Html:
    """A picture inside the page; a grey field where there is none."""
    if not jpeg:
        return element("span", class_="gone")
    data = base64.b64encode(jpeg).decode()
    return Html(f'<img src="data:image/jpeg;base64,{data}" alt="{put(alternative)}">')


def page(title: str, *content: object) -> str:
    """A whole document."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{put(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{put(title)}</title><style>{style}</style>"
    )
    body = "\n".join(put(piece) for piece in content)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'
