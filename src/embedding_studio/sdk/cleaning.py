"""Steps that clean a text before it is split."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser

__all__ = ["Clean", "CleaningStep", "Normalise", "StripHtml"]

Clean = Callable[[str], str]
"""Gives the cleaned text, blank where nothing is left."""

_UNREAD = ["script", "style", "template", "noscript", "iframe", "object", "svg"]
_BLOCKS = (
    "address,article,aside,blockquote,br,caption,center,dd,details,dialog,div,dl,dt,fieldset,figcaption,figure,footer,"
    "form,h1,h2,h3,h4,h5,h6,header,hr,legend,li,main,nav,ol,optgroup,option,p,pre,section,summary,table,tbody,textarea,"
    "tfoot,thead,title,tr,ul"
)
_CELLS = "td,th"
_BREAK = "\0"  # no parsed HTML holds it

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters but white space
    "\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # formatting
    "\ud800-\udfff"  # halves of characters, which no encoder takes
    "]"
)
_GAP = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class StripHtml:
    """What a reader of the page would see; a text without any tag keeps its lines and has its entities decoded.

    Scripts, styles, comments and pictures are gone, a block begins a new line, a table's cell stands apart by a space.
    Broken HTML is read as browsers read it. That takes time quadratic in the depth of nesting.
    """

    def build(self) -> Clean:
        """A function from HTML to text."""
        return _strip


@dataclass(frozen=True, slots=True)
class Normalise:
    """Unicode NFKC without invisible characters; one space between words, at most one empty line between lines.

    Doing it twice changes nothing more. Joiners that shape letters and emoji stay.

    Attributes:
        lower: Whether letters become small.
    """

    lower: bool = False

    def build(self) -> Clean:
        """A function from text to text."""
        return self._normalise

    def _normalise(self, text: str) -> str:
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
        if self.lower:
            text = unicodedata.normalize("NFKC", text.lower())
        return _GAP.sub("\n\n", _tidy(text.splitlines()))


CleaningStep = StripHtml | Normalise
"""Every cleaning step there is."""


def _strip(text: str) -> str:
    if "<" not in text:
        return html.unescape(text)
    tree = LexborHTMLParser(text, scripting=True)  # else a <noscript> in the head would be opened
    tree.strip_tags(_UNREAD, recursive=True)
    for block in tree.css(_BLOCKS):
        block.insert_before(_BREAK)
        block.insert_after(_BREAK)
    for cell in tree.css(_CELLS):
        cell.insert_before(" ")
    lines = tree.root.text().split(_BREAK) if tree.root else []
    return _tidy(line for line in lines if line.strip())


def _tidy(lines: Iterable[str]) -> str:
    return "\n".join(" ".join(line.split()) for line in lines).strip()
