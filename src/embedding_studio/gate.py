"""`embedding-studio gate verify`: make a gate's decision again, and show the record that it is held against."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embedding_studio.bootstrap import open_container
from embedding_studio.fine_tuning import Comparison, VerifiedGate
from embedding_studio.settings import Settings

__all__ = ["show", "verify"]


async def verify(settings: Settings, collection: str, version: int) -> VerifiedGate:
    """Verify the record of a model on the servers that the settings name; raises as `GateVerifier.verify`."""
    async with open_container(settings) as container:
        return await container.gate_verifier.verify(collection, version)


def show(verified: VerifiedGate, console: Console) -> None:
    """Print the record for people."""
    title = f"{verified.collection}, model {verified.version}: {verified.decision}, {verified.groups:,} query groups"
    table = Table("metric", "before", "after", "gain", "95 % interval", title=title, title_justify="left")
    for name, one in _comparisons(verified).items():
        interval = f"{one.ci95[0]:+.4f} to {one.ci95[1]:+.4f}"
        table.add_row(escape(name), f"{one.before:.4f}", f"{one.after:.4f}", f"{one.delta:+.4f}", interval)
    console.print(table)
    for sentence in dict.fromkeys([*verified.reasons, *(one.verdict for one in verified.slices.values())]):
        console.print(f"  {escape(sentence)}", highlight=False)
    if verified.fidelity:
        console.print(f"  int8: {verified.fidelity.top10:.1%} of the ten nearest items as in float32", highlight=False)
    if verified.is_verified:
        console.print("[green]The record is what its evidence gives.[/]")
    else:
        console.print(f"[red]These fields come out otherwise: {', '.join(verified.differing)}[/]")


def _comparisons(verified: VerifiedGate) -> Mapping[str, Comparison]:
    """What the gate judged, and the estimates beside it."""
    beside = {
        f"replay of {verified.replay.sessions:,} sessions: reciprocal rank of the first click": verified.replay.mrr,
        f"replay of {verified.replay.explored:,} explored sessions: clicks": verified.replay.clicks,
    }
    return {**verified.metrics, **{name: one for name, one in beside.items() if one}}
