"""Rows of Parquet files."""

from collections.abc import Generator
from typing import Any

from embedding_studio.infra.loaders.extra import loaders_extra
from embedding_studio.infra.loaders.rows import Position, Reading, Row, too_large
from embedding_studio.infra.loaders.values import to_json

__all__ = ["read_parquet"]

_ROWS = 64
_BUFFER = 1 << 20


def read_parquet(reading: Reading, start: Position) -> Generator[Row]:
    """Rows in the file's order; row groups before the start are not read.

    Holds one page of every column and 64 rows. What JSON lacks is converted by `to_json`.
    """
    with loaders_extra():
        import pyarrow as pa  # noqa: PLC0415  # of the extra `loaders`
        import pyarrow.parquet as pq  # noqa: PLC0415  # of the extra `loaders`
    number = start.row
    try:
        with pq.ParquetFile(reading.file, buffer_size=_BUFFER, pre_buffer=False) as file:
            groups, before = _groups(file.metadata, start.row)
            batches = file.iter_batches(_ROWS, row_groups=groups, use_threads=False)
            for row in _rows(batches, start.row - before):
                number += 1
                yield _row(row, number, reading.limit)
    except pa.ArrowException as error:
        yield Row(0, f"is no readable Parquet: {str(error)[:200]}", None)


def _groups(metadata: Any, rows: int) -> tuple[list[int], int]:
    """The row groups that hold what lies behind `rows` rows, and how many rows lie before these groups."""
    before = 0
    for group in range(metadata.num_row_groups):
        count = metadata.row_group(group).num_rows
        if before + count > rows:
            return list(range(group, metadata.num_row_groups)), before
        before += count
    return [], rows


def _rows(batches: Any, skip: int) -> Generator[Any]:
    """The rows of all batches but the first `skip`, each a batch of one row."""
    for batch in batches:
        taken = batch.slice(min(skip, batch.num_rows))
        skip -= batch.num_rows - taken.num_rows
        for index in range(taken.num_rows):
            yield taken.slice(index, 1)


def _row(row: Any, number: int, limit: int) -> Row:
    behind = Position(0, number)
    if row.nbytes > limit:
        return Row(number, too_large(limit), behind)
    try:
        return Row(number, to_json(row.to_pylist()[0]), behind, row.nbytes)
    except (TypeError, ValueError, OverflowError) as error:
        return Row(number, str(error), behind)
