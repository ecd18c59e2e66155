"""Planning experiments."""

import json
from typing import Annotated

import typer

from embedding_studio.cli.console import AsJson, console, print_rows

__all__ = ["commands"]

commands = typer.Typer(help="Plan experiments.", no_args_is_help=True)


@commands.command("estimate")
def estimate_experiment(
    ctr: Annotated[float, typer.Option(help="Share of the sessions with a click, as things are.")],
    lift: Annotated[
        float | None, typer.Option(help="A/B: by how much of it the treatment's is to differ; .1: from .30 to .33.")
    ] = None,
    preference: Annotated[
        float | None, typer.Option(help="Interleaving: share of the sessions with a click that prefer the treatment.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Probability of a decision without a difference.")] = 0.05,
    power: Annotated[float, typer.Option(help="Probability of finding the difference.")] = 0.8,
    design_effect: Annotated[
        float, typer.Option(help="Variance beside that of independent sessions; above 1 where users come again.")
    ] = 1.0,
    traffic: Annotated[float, typer.Option(help="Share of the searches that are in the experiment.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Say how many sessions an experiment needs to find an effect, however often it is read.

    Example: embedding-studio experiments estimate --ctr .3 --lift .1
    """
    from embedding_studio.estimate import Plan, estimate, rows

    found = estimate(Plan(ctr, lift, preference, alpha, power, design_effect, traffic))
    if as_json:
        console.print_json(json.dumps(found))
    else:
        print_rows(rows(found), as_json=False)
