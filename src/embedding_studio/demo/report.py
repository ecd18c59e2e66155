"""The report: a table on the terminal and one HTML file that needs nothing else."""

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from rich.console import Console
from rich.table import Table

from embedding_studio.demo.charts import learning_curve
from embedding_studio.demo.record import Curve, Day, DemoReport, Hit, SideBySide
from embedding_studio.simulation.quality import Estimate

__all__ = ["print_report", "render_html", "write_html"]

_DECISIONS = {"promote": "promoted", "reject": "rejected", "not_enough_evidence": "not enough evidence"}
_KINDS = (
    ("never_clicked", "Never-clicked queries", "Nobody asked or clicked them, nor any query of the same topic."),
    ("held_out_words", "… with a held-out word", "They use a word that no clicked query has."),
    ("seen", "Seen queries", "Simulated users asked and clicked them."),
)


def print_report(report: DemoReport, console: Console) -> None:
    """Print the figures as a table."""
    table = Table("", "nDCG@10 before", "after", "gain", "95 % interval", title=f"{_title(report)} (simulated users)")
    for kind, name, _ in _KINDS:
        before, after, gain = (getattr(curve, kind) for curve in (report.before, report.after, report.gain))
        table.add_row(name, f"{before.mean:.3f}", f"{after.mean:.3f}", f"{gain.mean:+.3f}", _interval(gain))
    console.print(table)
    for day in report.days:
        console.print(
            f"Day {day.number}: {_DECISIONS[day.decision]}. {'; '.join(day.gate['reasons'])}", highlight=False
        )
    memory = f", peak memory {report.peak_memory_mb:,.0f} MB" if report.peak_memory_mb else ""
    console.print(f"{report.seconds['total']:.0f} s in all{memory}", highlight=False)


def write_html(report: DemoReport, path: Path) -> None:
    """Write the report as HTML; it loads nothing from anywhere."""
    path.write_text(render_html(report), encoding="utf-8")


def render_html(report: DemoReport) -> str:
    """The report as HTML; every text from data is escaped."""
    template = Template(files(__package__).joinpath("report_template.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(_title(report)),
        summary=escape(_summary(report)),
        figures="".join(_figure(report, *kind) for kind in _KINDS),
        chart=learning_curve(report),
        days="".join(map(_day_row, report.days)),
        lists="".join(map(_lists, report.lists)),
        seconds="".join(_seconds_rows(report)),
        memory=escape(f"{report.peak_memory_mb:,.0f} MB" if report.peak_memory_mb else "not measured"),
        queries=escape(", ".join(f"{count:,} {kind.replace('_', '-')}" for kind, count in report.queries.items())),
        seed=report.seed,
    )


def _title(report: DemoReport) -> str:
    if report.shuffled_clicks:
        return "Shuffled clicks: nothing to learn"
    return "A search engine that got better from use" if report.gain.never_clicked.low > 0 else "No gain is shown"


def _summary(report: DemoReport) -> str:
    sessions = sum(day.sessions for day in report.days)
    clicks = sum(day.events for day in report.days)
    return (
        f"{report.items:,} films, {len(report.days)} simulated days, {sessions:,} searches and {clicks:,} clicks of "
        f"simulated users, {report.seconds.get('total', 0):.0f} seconds."
    )


def _figure(report: DemoReport, kind: str, name: str, meaning: str) -> str:
    before, after, gain = (_of(curve, kind) for curve in (report.before, report.after, report.gain))
    return (
        f'<div class="figure"><h3>{escape(name)}</h3><p class="change">{before.mean:.3f} <span>→</span> '
        f'{after.mean:.3f}</p><p class="gain">{gain.mean:+.3f} <small>95 % interval {_interval(gain)}</small></p>'
        f"<p>{escape(meaning)}</p></div>"
    )


def _day_row(day: Day) -> str:
    gate = f"{day.gate_gain.mean:+.3f}<br><small>{_interval(day.gate_gain)}</small>" if day.gate_gain else "none"
    reasons = "".join(f"<li>{escape(str(reason))}</li>" for reason in day.gate["reasons"])
    cells = (
        f"{day.number}",
        f"{day.sessions:,}",
        f"{day.events:,}",
        f'<span class="{escape(day.decision)}">{escape(_DECISIONS[day.decision])}</span>',
        gate,
        f"<ul>{reasons}</ul>",
        f"v{day.model_version}",
        _with_interval(day.curve.seen),
        _with_interval(day.curve.never_clicked),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _lists(lists: SideBySide) -> str:
    return (
        f'<section class="lists"><h3>“{escape(lists.query)}”</h3><p>{escape(lists.rank)}</p>'
        f'<div class="pair">{_list("Before", lists.ndcg_before, lists.before)}'
        f"{_list('After', lists.ndcg_after, lists.after)}</div></section>"
    )


def _list(name: str, ndcg: float, hits: Iterable[Hit]) -> str:
    rows = "".join(
        f'<li class="{"hit" if hit.relevant else "miss"}">{escape(hit.title)}<small>{escape(hit.facts)}</small></li>'
        for hit in hits
    )
    return f"<div><h4>{name} <small>nDCG@10 {ndcg:.2f}</small></h4><ol>{rows}</ol></div>"


def _seconds_rows(report: DemoReport) -> Iterable[str]:
    total = report.seconds.get("total") or 1.0
    for name, seconds in report.seconds.items():
        width = 100 * seconds / total
        yield (
            f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{seconds:.1f} s</td>"
            f'<td><div class="bar" style="width:{width:.1f}%"></div></td></tr>'
        )


def _of(curve: Curve, kind: str) -> Estimate:
    found: Estimate = getattr(curve, kind)
    return found


def _with_interval(one: Estimate) -> str:
    return f"{one.mean:.3f}<br><small>{one.low:.3f} to {one.high:.3f}</small>"


def _interval(one: Estimate) -> str:
    return f"{one.low:+.3f} to {one.high:+.3f}"
