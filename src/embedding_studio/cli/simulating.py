"""Simulated users."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from embedding_studio.cli.console import AsJson, DataDir, console
from embedding_studio.infra.log import configure_logging

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def demo(
    data_dir: DataDir = Path("data/demo"),
    url: Annotated[str | None, typer.Option(help="Of an API that runs already; else one is started.")] = None,
    days: Annotated[int, typer.Option(min=1, max=30, help="Simulated days.")] = 5,
    films: Annotated[int | None, typer.Option(min=500, help="How many films; all 17,472 if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated users.")] = 0,
    shuffle_clicks: Annotated[bool, typer.Option(help="Clicks that say nothing: the gate must refuse.")] = False,
    report: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    json_file: Annotated[Path, typer.Option("--json", help="The file of figures to write.")] = Path("demo-report.json"),
) -> None:
    """Watch search get better from use: real films, simulated users, fine-tuning, a gate, deployment.

    Example: embedding-studio demo --days 5 --report report.html
    """
    from embedding_studio.demo.run import DemoOptions, run_demo

    configure_logging(level="warning")
    options = DemoOptions(
        data_dir=data_dir,
        url=url,
        days=days,
        films=films,
        seed=seed,
        shuffle_clicks=shuffle_clicks,
        report=report,
        json=json_file,
    )
    asyncio.run(run_demo(options, console))


@commands.command()
def simulate(  # noqa: PLR0913, PLR0917 -- each is an option of the command
    collection: Annotated[str, typer.Option(help="Made and filled if it is not there; else taken as it is.")],
    data: Annotated[Path, typer.Option(help="Folder of items.jsonl.gz, queries.jsonl.gz and qrels.tsv.")],
    url: Annotated[str, typer.Option(help="Of the API.")] = "http://127.0.0.1:8400",
    days: Annotated[int, typer.Option(min=1, max=365, help="Simulated days, the last of them yesterday.")] = 10,
    sessions: Annotated[int, typer.Option(min=1, max=100_000, help="Searches on each day.")] = 300,
    seed: Annotated[int, typer.Option(help="Of all chance.")] = 0,
    never_asked: Annotated[float, typer.Option(min=0, max=0.99, help="Share of queries that nobody asks.")] = 0.3,
    taste: Annotated[float, typer.Option(min=0, max=1, help="How far the tastes of users differ.")] = 0.0,
    bots: Annotated[float, typer.Option(min=0, max=1, help="Share of searches by bots.")] = 0.0,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of senders that send twice.")] = 0.0,
    null: Annotated[str | None, typer.Option(help="shuffled or uniform: clicks that say nothing.")] = None,
    drift: Annotated[int | None, typer.Option(min=1, help="The day on which tastes change.")] = None,
    train_every: Annotated[int, typer.Option(min=0, help="Days from one training to the next; 0: none.")] = 0,
    track: Annotated[str, typer.Option(help="Of the training.")] = "query_adapter",
    live: Annotated[bool, typer.Option(help="Let all happen now: tracked searches, as one long day.")] = False,
    plugin: Annotated[str, typer.Option(help="Of a new collection.")] = "text",
    plot: Annotated[Path | None, typer.Option(help="The picture to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let simulated users search and click for some days, and report how good the results get: the learning curve.

    Example: embedding-studio simulate --collection shop --data ./esci --days 20 --train-every 5 --json
    """
    from embedding_studio.simulation import Options, Target, run_simulation, show

    options = Options(
        days=days,
        sessions=sessions,
        seed=seed,
        never_asked=never_asked,
        taste=taste,
        bots=bots,
        duplicates=duplicates,
        null=null,
        drift=drift,
        train_every=train_every,
        track=track,
        live=live,
    )
    target = Target(url=url, collection=collection, plugin=plugin)
    run = run_simulation(target, data, options, plot=plot, console=Console(stderr=True))
    show(asyncio.run(run), console, as_json=as_json)
