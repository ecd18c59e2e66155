"""`embedding-studio doctor`: what is wrong with the collections' tables and indexes, and what to do about it."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.infra.postgres import Pool, open_pool
from embedding_studio.kernel.errors import ConflictError, InvalidError
from embedding_studio.sdk import FieldKind, PluginRegistry, find_plugins
from embedding_studio.settings import Settings
from embedding_studio.vector_store import (
    Catalog,
    Collection,
    CollectionNotFoundError,
    Diagnosis,
    IndexState,
    TableState,
    VectorStoreSettings,
    deletable_meanwhile,
    diagnose,
)

__all__ = ["Examined", "Finding", "Report", "all_collections", "doctor", "findings_of_disk", "judge", "show"]

_DEAD_SHARE, _DEAD_ROWS = 0.25, 1_000
_BLOAT_SHARE, _BLOAT_BYTES = 0.5, 8 << 20
_STALE_SHARE, _STALE_ROWS = 0.5, 1_000
_SAMPLES = 20
_LEAST_FREE = 1 << 30
_PAGE = 1_000
_KILO = 1024
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what to do about it."""

    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Examined:
    """A collection as it was found."""

    diagnosis: Diagnosis
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything that was looked at, for machines."""
        found, collection = self.diagnosis, self.diagnosis.collection
        return {
            "collection": collection.name,
            "items": found.items.rows,
            "parts": found.parts.rows,
            "dimensions": collection.dimensions,
            "metric": collection.metric,
            "index_version": collection.index_version,
            "index": msgspec.to_builtins(collection.options.index),
            "ef_search": collection.ef_search,
            "tables": msgspec.to_builtins(found.tables),
            "indexes": msgspec.to_builtins(found.indexes),
            "missing": list(found.missing),
            "fragments": found.fragments,
            "recall": msgspec.to_builtins(found.recalls),
            "findings": msgspec.to_builtins(self.findings),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All that was examined; `free_bytes` of the disk is None where the database is on another machine."""

    collections: tuple[Examined, ...]
    free_bytes: int | None
    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing was found, anywhere."""
        return not self.findings and not any(one.findings for one in self.collections)

    def to_json(self) -> str:
        """The whole report, for machines."""
        own = {"ok": self.is_well, "free_bytes": self.free_bytes, "findings": self.findings}
        return msgspec.json.encode({**own, "collections": [one.to_json() for one in self.collections]}).decode()


async def doctor(settings: Settings, only: str | None) -> Report:
    """Examine all collections, or the one that is named.

    Raises:
        CollectionNotFoundError: There is none of this name.
        ConflictError: The database was not migrated.
        UnavailableError: It does not answer.
    """
    try:
        async with open_pool(settings.postgres) as pool:
            examined = await _examine(pool, settings, only)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise ConflictError("the database lacks the present schema; run: embedding-studio migrate") from error
    except OUTAGES as error:
        raise as_unavailable(error) from error
    free = _free_bytes(settings.data_dir)
    return Report(examined, free, tuple(findings_of_disk(examined, free)))


def judge(found: Diagnosis, settings: VectorStoreSettings) -> Iterator[Finding]:
    """What is wrong with a collection, the worst for its searches first."""
    yield from _missing(found)
    for index in found.indexes:
        yield from _invalid(found.collection, index)
    yield from _low_recall(found, settings)
    yield from _fragmented(found)
    for table in found.tables:
        yield from _dead(found.collection, table)
        yield from _stale(found.collection, table)
    yield from _bloated(found)


def findings_of_disk(examined: Sequence[Examined], free_bytes: int | None) -> Iterator[Finding]:
    """Whether a reindex of the largest collection would still fit, with a gigabyte to spare."""
    largest = max((_version_bytes(one.diagnosis) for one in examined), default=0)
    if free_bytes is not None and free_bytes < _LEAST_FREE + largest:
        yield Finding(
            f"{_size(free_bytes)} of disk are free, and a reindex takes up to {_size(largest)}",
            "give the data folder a larger disk, or delete what is not needed: logs, old models, collections",
        )


def show(report: Report, console: Console) -> None:
    """Print the report for people."""
    for one in report.collections:
        console.print(_table(one.diagnosis))
        _show_findings(one.findings, console)
    if report.free_bytes is not None:
        console.print(f"Free disk: {_size(report.free_bytes)}", highlight=False)
    _show_findings(report.findings, console)
    console.print("[green]All is well.[/]" if report.is_well else "[red]Something is to be done.[/]")


async def _examine(pool: Pool, settings: Settings, only: str | None) -> tuple[Examined, ...]:
    plugins = find_plugins(settings.plugins)
    catalog = Catalog(pool, grace=timedelta(0))
    examined: list[Examined] = []
    for collection in [await catalog.get(only)] if only else await all_collections(catalog):
        with suppress(CollectionNotFoundError):  # deleted since it was listed
            examined.append(await _examine_one(pool, settings.vector_store, plugins, collection))
    return tuple(examined)


async def all_collections(catalog: Catalog) -> list[Collection]:
    """Every collection, in the order of their names, read page by page."""
    collections: list[Collection] = []
    while page := await catalog.page(after=collections[-1].name if collections else "", limit=_PAGE):
        collections += page
    return collections


async def _examine_one(
    pool: Pool, settings: VectorStoreSettings, plugins: PluginRegistry, collection: Collection
) -> Examined:
    fields: Mapping[str, FieldKind] = {}
    lost: list[Finding] = []
    try:
        fields = plugins.get(collection.plugin).fields
    except InvalidError as error:
        lost = [Finding(error.detail, "put the plugin back or repair it: without it nothing is searched or written")]
    with deletable_meanwhile(collection.name):
        async with pool.acquire() as connection:
            found = await diagnose(connection, collection, fields, index_from=settings.index_from)
    return Examined(found, (*lost, *judge(found, settings)))


def _optimize(collection: Collection) -> str:
    return f"POST /api/v1/collections/{collection.name}/optimize"


def _missing(found: Diagnosis) -> Iterator[Finding]:
    if found.missing:
        names = ", ".join(found.missing)
        yield Finding(f"indexes are missing: {names}", f"{_optimize(found.collection)} builds them")


def _invalid(collection: Collection, index: IndexState) -> Iterator[Finding]:
    if not index.is_valid:
        remedy = f"{_optimize(collection)} builds it anew" if index.is_planned else _sql("DROP", index.name)
        yield Finding(f"the index {index.name} is not valid: its building was cut off", remedy)


def _low_recall(found: Diagnosis, settings: VectorStoreSettings) -> Iterator[Finding]:
    for one in found.recalls:
        if one.samples >= _SAMPLES and one.recall < settings.recall_target:
            yield Finding(
                f"recall is {one.recall:.3f} (of {one.samples} searches, {one.bucket}, ef_search {one.ef_search}),"
                f" and {settings.recall_target:g} is wanted",
                f"searches look further by themselves while they take under {settings.recall_budget:g} s: allow more"
                " (EMBEDDING_STUDIO_VECTOR_STORE__RECALL_BUDGET), or make the collection anew with a larger index.m",
            )


def _fragmented(found: Diagnosis) -> Iterator[Finding]:
    if found.is_fragmented:
        problem = f"the terms lie in {found.fragments:,} fragments, which searches in words read one by one"
        yield Finding(problem, f"{_optimize(found.collection)} merges them")


def _dead(collection: Collection, table: TableState) -> Iterator[Finding]:
    if table.dead >= _DEAD_ROWS and table.dead > _DEAD_SHARE * (table.rows + table.dead):
        yield Finding(
            f"{_dead_share(table):.0%} of the rows of {table.name} are dead",
            f"{_optimize(collection)} gives their space back; if they stay, an old transaction holds them:"
            " end the one with the oldest backend_xmin in pg_stat_activity",
        )


def _stale(collection: Collection, table: TableState) -> Iterator[Finding]:
    unknown = not table.has_statistics and table.rows >= _STALE_ROWS
    if unknown or table.changed > max(_STALE_ROWS, _STALE_SHARE * table.rows):
        state = "no statistics" if unknown else f"old statistics: {table.changed:,} rows have changed since"
        yield Finding(
            f"{table.name} has {state}, so queries may be planned badly", f"{_optimize(collection)} makes them"
        )


def _bloated(found: Diagnosis) -> Iterator[Finding]:
    """Terms are left out: each merge uses the space that the one before gave back."""
    reindex = f"POST /api/v1/collections/{found.collection.name}/reindex writes them anew, beside the old ones"
    full = f"while nobody searches: VACUUM FULL {found.items.name}"
    for table, remedy in ((found.items, full), (found.parts, reindex)):
        if _is_bloated(table.bytes, table.needed):
            yield Finding(f"{table.name} takes {_size(table.bytes)}, its rows need {_size(table.needed)}", remedy)
    for index in found.indexes:
        if index.needed is not None and _is_bloated(index.bytes, index.needed):
            sizes = f"{index.name} takes {_size(index.bytes)}, its vectors need {_size(index.needed)}"
            yield Finding(sizes, _sql("REINDEX", index.name))


def _is_bloated(size: int, needed: int) -> bool:
    return size - needed > max(_BLOAT_BYTES, _BLOAT_SHARE * size)


def _sql(verb: str, index: str) -> str:
    return f"{verb} INDEX CONCURRENTLY {index}"


def _dead_share(table: TableState) -> float:
    return table.dead / max(1, table.rows + table.dead)


def _version_bytes(found: Diagnosis) -> int:
    """Of the parts, their terms and their indexes: what a reindex writes once more."""
    indexes = [one for one in found.indexes if one.table != found.items.name]
    return found.parts.bytes + found.terms.bytes + sum(one.bytes for one in indexes)


def _free_bytes(data_dir: Path) -> int | None:
    return shutil.disk_usage(data_dir).free if (data_dir / "postgres").is_dir() else None


def _table(found: Diagnosis) -> Table:
    collection = found.collection
    index = collection.options.index
    title = (
        f"{collection.name}: {found.items.rows:,} items, {found.parts.rows:,} parts,"
        f" {collection.dimensions} dimensions, {collection.metric}; {index.storage}, m {index.m},"
        f" ef_construction {index.ef_construction}, ef_search {collection.ef_search}"
    )
    table = Table("what", "size", "needed", "dead rows", "vacuum", "analyze", title=title, title_justify="left")
    for row in (*map(_row_of_table, found.tables), *map(_row_of_index, found.indexes), *_rows_of_rest(found)):
        table.add_row(*map(escape, row))
    return table


def _row_of_table(one: TableState) -> tuple[str, ...]:
    dead = f"{one.dead:,} ({_dead_share(one):.0%})"
    return one.name, _size(one.bytes), _size(one.needed), dead, _when(one.vacuumed_at), _when(one.analyzed_at)


def _row_of_index(one: IndexState) -> tuple[str, ...]:
    state = "" if one.is_valid else ", not valid"
    return f"  {one.name} ({one.kind}{state})", _size(one.bytes), "" if one.needed is None else _size(one.needed)


def _rows_of_rest(found: Diagnosis) -> Iterator[tuple[str, ...]]:
    yield (f"fragments of terms: {found.fragments:,}",)
    for one in found.recalls:
        yield (f"recall, {one.bucket}: {one.recall:.3f} of {one.samples:,} searches, ef_search {one.ef_search}",)


def _show_findings(findings: Sequence[Finding], console: Console) -> None:
    for one in findings:
        console.print(f"[red]✗[/] {escape(one.problem)}\n  → {escape(one.remedy)}", highlight=False)


def _when(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "never"


def _size(count: float) -> str:
    """Bytes in the largest unit of which there is at least one."""
    power = min(len(_UNITS) - 1, max(0, int(math.log(max(1, count), _KILO))))
    return f"{count / _KILO**power:,.{min(1, power)}f} {_UNITS[power]}"
