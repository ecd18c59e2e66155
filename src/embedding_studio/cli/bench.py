"""Measuring."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedding_studio.cli.console import AsJson, DataDir, console, print_rows, whisper
from embedding_studio.infra.log import configure_logging

if TYPE_CHECKING:
    from embedding_studio.bench.figures import Figure

__all__ = ["commands"]

commands = typer.Typer(help="Measure, beside floors measured in the same run.", no_args_is_help=True)


@commands.command("search")
def bench_search(
    data_dir: DataDir = Path("data/bench"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="vectors, observing, filters, rivals, text, quality, films or million; may be repeated."),
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
    figures = run(data_dir, only=only or (), sets=data_dir_sets, sizes=sizes, say=whisper)
    _report(figures, as_json=as_json)


@commands.command("learning")
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
    figures = run(data_dir, only=only or (), sets=data_dir_sets, plot=plot, say=whisper)
    _report(figures, as_json=as_json)


@commands.command("experiments")
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

    figures = run(only=only or (), sizes=Sizes(experiments, sessions, whisper), plot=plot)
    _report(figures, as_json=as_json)


@commands.command("inference")
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
    figures = run(data_dir, triton=triton, say=whisper)
    _report(figures, as_json=as_json)


@commands.command("soak")
def bench_soak(
    data_dir: DataDir = Path("data/bench"),
    minutes: Annotated[float, typer.Option(min=0.2, help="How long.")] = 10.0,
    items: Annotated[int, typer.Option(min=100, help="How many items there are.")] = 5_000,
    searches: Annotated[float, typer.Option(min=0.1, help="In a second; half are followed by a click.")] = 20.0,
    writes: Annotated[float, typer.Option(min=0.1, help="Requests of twenty changed items, in a second.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Let searches, clicks, writes and reindexes run together, and say what leaks, slows down or was lost.

    Example: embedding-studio bench soak --minutes 10 --json
    """
    from embedding_studio.bench.soak import Rates
    from embedding_studio.bench.soak import bench_soak as run

    configure_logging(level="warning")
    figures = run(data_dir, minutes=minutes, items=items, rates=Rates(searches, writes), say=whisper)
    _report(figures, as_json=as_json)


@commands.command("upsert")
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
    _print_figures(asdict(run(data_dir, items, most=most, say=whisper)), as_json=as_json)


@commands.command("bulk")
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
    _print_figures(asdict(run(data_dir, items=items, dimensions=dimensions, say=whisper)), as_json=as_json)


def _report(figures: Sequence["Figure"], *, as_json: bool) -> None:
    """Print the figures of a bench that has floors."""
    from embedding_studio.bench.figures import report, rows

    if as_json:
        console.print_json(json.dumps(report(figures)))
    else:
        print_rows(rows(figures), as_json=False)


def _print_figures(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        console.print_json(json.dumps(figures))
        return
    rows = [
        {"figure": name, "value": f"{value:,.3f}" if isinstance(value, float) else str(value)}
        for name, value in figures.items()
    ]
    print_rows(rows, as_json=False)
