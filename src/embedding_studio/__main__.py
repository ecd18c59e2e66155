"""The command line."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from embedding_studio.infra.log import configure_logging
from embedding_studio.kernel.errors import StudioError
from embedding_studio.settings import Settings, load_settings

if TYPE_CHECKING:
    from embedding_studio.bench.figures import Figure

__all__ = ["app", "main"]

app = typer.Typer(
    help="A search engine that gets better from use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
bench = typer.Typer(help="Measure, beside floors measured in the same run.", no_args_is_help=True)
app.add_typer(bench, name="bench")
export = typer.Typer(help="Write models or sessions out.", invoke_without_command=True)
app.add_typer(export, name="export")
gate = typer.Typer(help="Why a model was promoted or not.", no_args_is_help=True)
app.add_typer(gate, name="gate")
experiments = typer.Typer(help="Plan experiments.", no_args_is_help=True)
app.add_typer(experiments, name="experiments")


class _Doctor(TyperGroup):
    """`doctor` and `doctor COLLECTION` look at tables; a collection named `events` takes `doctor tables events`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `tables` where no command is named."""
        named = args and (args[0] in self.commands or args[0] == "--help")
        parsed: list[str] = super().parse_args(ctx, args if named else ["tables", *args])
        return parsed


doctor = typer.Typer(cls=_Doctor, help="Say what is wrong, and what to do about it; `tables` if not said otherwise.")
app.add_typer(doctor, name="doctor")
console = Console()

DataDir = Annotated[Path, typer.Option(help="Folder of all data; made if it is not there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def main() -> NoReturn:
    """Run a command; an error of ours ends it with one line on standard error and status 1."""
    try:
        app()
    except StudioError as error:
        Console(stderr=True).print(f"[red]Error:[/] {escape(error.detail)}", highlight=False)
        sys.exit(1)
    sys.exit(0)


@app.command()
def up(
    data_dir: DataDir = Path("data"),
    host: Annotated[str, typer.Option(help="Loopback address of the API.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the API.")] = 8400,
) -> None:
    """Run everything on this machine: servers, API and workers. Ctrl-C stops all of it.

    Example: embedding-studio up --data-dir ./data --port 8400
    """
    from embedding_studio.api.loopback import require_loopback
    from embedding_studio.up import up as run

    configure_logging(level="warning")
    require_loopback(host)
    run(data_dir, host=host, port=port, say=console.print)


@app.command()
def serve() -> None:
    """Run the HTTP API against the servers that the settings name.

    Example: EMBEDDING_STUDIO_API__PORT=8400 embedding-studio serve
    """
    from embedding_studio.api.server import serve as run

    run(_settings())


@app.command()
def worker(
    role: Annotated[str, typer.Option(help="finetune, inference, improve, upsert, or all.")] = "all",
) -> None:
    """Run a worker of one role, or one process of every role.

    Example: embedding-studio worker --role upsert
    """
    from embedding_studio.up import run_roles
    from embedding_studio.worker import ROLES, run_worker

    settings = _settings()
    if role == "all":
        run_roles(settings.data_dir, say=Console(stderr=True).print)
    elif role in ROLES:
        run_worker(settings, role)
    else:
        raise typer.BadParameter(f"there are: {', '.join(ROLES)}, all", param_hint="--role")


@app.command()
def migrate() -> None:
    """Bring PostgreSQL to the present schema; safe to run at any time."""
    from embedding_studio.infra.migrations import migrate as run

    asyncio.run(run(_settings().postgres))


@export.callback()
def export_models(context: typer.Context) -> None:
    """Export the encoders and cross-encoders that the plugins name to ONNX, where that was not done yet.

    With `sessions`: write a collection's sessions with their events.
    """
    if context.invoked_subcommand:
        return
    from embedding_studio.bootstrap import model_sources
    from embedding_studio.inference.actors import export_missing
    from embedding_studio.sdk import find_plugins

    settings = _settings()
    export_missing(model_sources(find_plugins(settings.plugins)), settings.inference.encoders)


@export.command("sessions")
def export_sessions(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    output: Annotated[Path, typer.Option(help="File to write; - is standard output.")] = Path("-"),
    since: Annotated[str | None, typer.Option(help="Searches from this time on, such as 2026-01-31T12:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Searches before this time.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Of an `up` that runs; the servers that the settings name if not given.")
    ] = None,
) -> None:
    """Write a collection's sessions with their events, one JSON a line, oldest first.

    Example: embedding-studio export sessions shop --since 2026-01-01T00:00:00Z --output sessions.jsonl
    """
    from embedding_studio.export import export_sessions as run
    from embedding_studio.export import read_span
    from embedding_studio.up import join

    if data_dir:
        join(data_dir)
    watch = Console(stderr=True)
    span = read_span(since, until)
    written = asyncio.run(run(load_settings(), collection, span, output=output, console=watch))
    watch.print(f"{written:,} sessions", highlight=False)


@app.command()
def plugins(
    folder: Annotated[
        Path | None,
        typer.Option(envvar="EMBEDDING_STUDIO_PLUGINS", help="Folder of plugins; the shipped one if not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the plugins, and say what is wrong with those that do not load."""
    from embedding_studio.infra.shipped import shipped
    from embedding_studio.sdk import find_plugins

    found = find_plugins(folder or shipped("plugins")).found
    rows = [{"name": one.name, "version": one.version, "status": one.status, "detail": one.detail} for one in found]
    _print(rows, as_json=as_json)
    if any(one.status == "broken" for one in found):
        raise typer.Exit(1)


@doctor.command("tables")
def doctor_tables(
    collection: Annotated[str | None, typer.Argument(help="Name of a collection; all if not given.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Of an `up` that runs; the servers that the settings name if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with the collections' tables and indexes, and what to do; status 1 if anything is.

    Example: embedding-studio doctor --data-dir ./data
    """
    from embedding_studio.doctor import doctor as run
    from embedding_studio.doctor import show
    from embedding_studio.up import join

    if data_dir:
        join(data_dir)
    report = asyncio.run(run(load_settings(), collection))
    if as_json:
        console.print_json(report.to_json())
    else:
        show(report, console)
    if not report.is_well:
        raise typer.Exit(1)


@doctor.command("events")
def doctor_events(
    collection: Annotated[str | None, typer.Argument(help="Name of a collection; all if not given.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Time to look from, such as 2026-01-31T12:00:00Z; a week ago if not given.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Of an `up` that runs; the servers that the settings name if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which field of the events is wrong, how much, and how to mend it; status 1 if anything is bad.

    Example: embedding-studio doctor events shop --since 2026-01-31T00:00:00Z
    """
    from embedding_studio.doctor_events import all_well, events_json, show_events
    from embedding_studio.doctor_events import doctor_events as run
    from embedding_studio.kernel.time import read_time
    from embedding_studio.up import join

    if data_dir:
        join(data_dir)
    moment = read_time(since, "--since") if since else None
    reports = asyncio.run(run(load_settings(), collection, since=moment))
    if as_json:
        console.print_json(events_json(reports))
    else:
        show_events(reports, console)
    if not all_well(reports):
        raise typer.Exit(1)


@app.command()
def ingest(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    loader: Annotated[str, typer.Option(help="Name of a loader of the collection's plugin.")],
    option: Annotated[
        list[str] | None, typer.Option(help="name=value, as the loader takes it; may be repeated.")
    ] = None,
    url: Annotated[str, typer.Option(help="Of the API.")] = "http://127.0.0.1:8400",
    as_json: AsJson = False,
) -> None:
    """Pull items into a collection through a loader of its plugin, and watch.

    Example: embedding-studio ingest shop --loader files --option prefix=2026/
    """
    from embedding_studio.ingest import ingest as run
    from embedding_studio.ingest import read_options

    watch = Console(stderr=True)
    task = run(url, collection, loader=loader, options=read_options(option or ()), console=watch)
    if as_json:
        console.print_json(json.dumps(task))
    if task["state"] != "succeeded":
        raise typer.Exit(1)


@app.command()
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


@app.command()
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


@gate.command("verify")
def gate_verify(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    version: Annotated[int, typer.Argument(min=1, help="Of the model.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="Of an `up` that runs; the servers that the settings name if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the gate's decision again from the evidence stored with a model; status 1 if anything comes out otherwise.

    Example: embedding-studio gate verify shop 4 --data-dir ./data
    """
    from msgspec import to_builtins

    from embedding_studio.gate import show, verify
    from embedding_studio.up import join

    if data_dir:
        join(data_dir)
    verified = asyncio.run(verify(load_settings(), collection, version))
    if as_json:
        console.print_json(json.dumps({"verified": verified.is_verified, **to_builtins(verified)}))
    else:
        show(verified, console)
    if not verified.is_verified:
        raise typer.Exit(1)


@experiments.command("estimate")
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
        _print(rows(found), as_json=False)


@bench.command("search")
def bench_search(
    data_dir: DataDir = Path("data/bench"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="vectors, filters, rivals, text, quality, films or million; may be repeated."),
    ] = None,
    data_dir_sets: Annotated[
        Path, typer.Option(envvar="DATA_DIR", help="Folder of the judged data sets; those that lack are skipped.")
    ] = Path("../shared/data"),
    items: Annotated[int, typer.Option(min=5_000, help="How many vectors, and how many texts.")] = 100_000,
    million: Annotated[int, typer.Option(min=5_000, help="How many vectors of the section `million`.")] = 1_000_000,
    films: Annotated[int | None, typer.Option(min=2_500, help="How many films; all 17,472 if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure search beside its floors; all sections but `million`, which is measured only when it is named.

    Example: embedding-studio bench search --only vectors --only rivals --json
    """
    from embedding_studio.bench.search import Sizes
    from embedding_studio.bench.search import bench_search as run

    configure_logging(level="warning")
    sizes = Sizes(items, million, films)
    figures = run(data_dir, only=only or (), sets=data_dir_sets, sizes=sizes, say=_whisper)
    _report(figures, as_json=as_json)


@bench.command("learning")
def bench_learning(
    data_dir: DataDir = Path("data/bench-learning"),
    only: Annotated[list[str] | None, typer.Option(help="A section, such as scifact; may be repeated.")] = None,
    data_dir_sets: Annotated[Path, typer.Option(envvar="DATA_DIR", help="Folder of the judged data sets.")] = Path(
        "../shared/data"
    ),
    plot: Annotated[Path | None, typer.Option(help="Where the charts are written; .svg, .png or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what is learnt from use, on judged sets with simulated users.

    Example: embedding-studio bench learning --only scifact --json --plot learning.svg
    """
    from embedding_studio.bench.learning import bench_learning as run

    configure_logging(level="warning")
    figures = run(data_dir, only=only or (), sets=data_dir_sets, plot=plot, say=_whisper)
    _report(figures, as_json=as_json)


@bench.command("experiments")
def bench_experiments(
    only: Annotated[
        list[str] | None, typer.Option(help="null, lift, losses or rivals; all if not given; may be repeated.")
    ] = None,
    experiments: Annotated[int, typer.Option(min=10, help="Simulated experiments of each kind.")] = 1_000,
    sessions: Annotated[int, typer.Option(min=1_000, help="Of an experiment with nothing to find.")] = 10_000,
    plot: Annotated[Path | None, typer.Option(help="Where the chart is written; .svg, .png or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate experiments that are read after every session: how often they err, and how soon they decide.

    Example: embedding-studio bench experiments --json --plot experiments.svg
    """
    from embedding_studio.bench.experiments import Sizes
    from embedding_studio.bench.experiments import bench_experiments as run

    figures = run(only=only or (), sizes=Sizes(experiments, sessions, _whisper), plot=plot)
    _report(figures, as_json=as_json)


@bench.command("inference")
def bench_inference(
    data_dir: DataDir = Path("data/bench"),
    triton: Annotated[
        Path | None,
        typer.Option(help="A virtual environment with config/triton/requirements.txt; without it no Triton."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the engines that run encoders beside ONNX Runtime alone.

    Example: embedding-studio bench inference --triton .triton --json
    """
    from embedding_studio.bench.inference import bench_inference as run

    configure_logging(level="warning")
    figures = run(data_dir, triton=triton, say=_whisper)
    _report(figures, as_json=as_json)


@bench.command("upsert")
def bench_upsert(
    items: Annotated[Path, typer.Option(help="JSON lines of id and payload; may be gzipped.")],
    data_dir: DataDir = Path("data/bench"),
    most: Annotated[int | None, typer.Option(min=100, help="How many items to take; all if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure writing beside the bare encoder, and searching while an index is built anew.

    Example: embedding-studio bench upsert --items products.jsonl.gz --json
    """
    from dataclasses import asdict

    from embedding_studio.bench import bench_upsert as run

    configure_logging(level="warning")
    _print_figures(asdict(run(data_dir, items, most=most, say=_whisper)), as_json=as_json)


@bench.command("bulk")
def bench_bulk(
    data_dir: DataDir = Path("data/bench"),
    items: Annotated[int, typer.Option(min=10_000, help="How many vectors.")] = 1_000_000,
    dimensions: Annotated[int, typer.Option(min=2, max=2_000)] = 64,
    as_json: AsJson = False,
) -> None:
    """Send a million vectors and watch the memory of the processes that carry the load.

    Example: embedding-studio bench bulk --items 1000000 --json
    """
    from dataclasses import asdict

    from embedding_studio.bench import bench_bulk as run

    configure_logging(level="warning")
    _print_figures(asdict(run(data_dir, items=items, dimensions=dimensions, say=_whisper)), as_json=as_json)


def _whisper(text: str) -> None:
    Console(stderr=True).print(text)


def _report(figures: Sequence["Figure"], *, as_json: bool) -> None:
    """Print the figures of a bench that has floors."""
    from embedding_studio.bench.figures import report, rows

    if as_json:
        console.print_json(json.dumps(report(figures)))
    else:
        _print(rows(figures), as_json=False)


def _print_figures(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        console.print_json(json.dumps(figures))
        return
    rows = [
        {"figure": name, "value": f"{value:,.3f}" if isinstance(value, float) else str(value)}
        for name, value in figures.items()
    ]
    _print(rows, as_json=False)


def _settings() -> Settings:
    settings = load_settings()
    configure_logging(level=settings.log.level, as_json=settings.log.as_json)
    return settings


def _print(rows: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        console.print_json(json.dumps(rows))
        return
    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*map(escape, row.values()))
    console.print(table)


if __name__ == "__main__":
    main()
