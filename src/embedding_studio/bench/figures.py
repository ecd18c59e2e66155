"""What was measured, what was asked, and whether the one meets the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Figure", "at_least", "at_most", "report", "rows", "seen"]

Relation = Literal["<=", ">="]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a section.

    Attributes:
        floor: What the same run measured without the product, or on whatever else the figure is held against.
        relation: Which side of `asked` the figure must lie on; None where nothing was asked.
        note: With which settings it was measured.
    """

    section: str
    name: str
    measured: float
    unit: str = ""
    floor: float | None = None
    relation: Relation | None = None
    asked: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the figure is as good as was asked; always where nothing was."""
        if self.asked is None:
            return True
        return self.measured <= self.asked if self.relation == "<=" else self.measured >= self.asked


def seen(
    section: str, name: str, measured: float, unit: str = "", *, floor: float | None = None, note: str = ""
) -> Figure:
    """A figure of which nothing was asked."""
    return Figure(section, name, measured, unit, floor, note=note)


def at_most(
    section: str, name: str, measured: float, asked: float, *, unit: str = "", floor: float | None = None
) -> Figure:
    """A figure that must not be above `asked`."""
    return Figure(section, name, measured, unit, floor, "<=", asked)


def at_least(
    section: str, name: str, measured: float, asked: float, *, unit: str = "", floor: float | None = None
) -> Figure:
    """A figure that must not be below `asked`."""
    return Figure(section, name, measured, unit, floor, ">=", asked)


def report(figures: Sequence[Figure]) -> dict[str, Any]:
    """All figures as one flat object for JSON, by `section.name`."""
    return {
        f"{figure.section}.{figure.name}": {
            "measured": float(figure.measured),
            "unit": figure.unit,
            "floor": None if figure.floor is None else float(figure.floor),
            "asked": figure.relation and f"{figure.relation} {figure.asked:.6g}",
            "ok": bool(figure.ok),
            "note": figure.note,
        }
        for figure in figures
    }


def rows(figures: Sequence[Figure]) -> list[dict[str, str]]:
    """The figures as rows of a table."""
    return [
        {
            "figure": f"{figure.section}.{figure.name}",
            "measured": _text(figure.measured, figure.unit),
            "floor": "" if figure.floor is None else _text(figure.floor, figure.unit),
            "asked": "" if figure.asked is None else f"{figure.relation} {_text(figure.asked, figure.unit)}",
            "ok": "" if figure.asked is None else ("yes" if figure.ok else "NO"),
        }
        for figure in figures
    ]


def _text(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 1_000 else f"{value:,.3f}"  # noqa: PLR2004
    return f"{number} {unit}".strip()
