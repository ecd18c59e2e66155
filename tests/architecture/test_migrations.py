"""A revision after the last release only adds: the release before works beside it."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from embedding_studio.infra.shipped import shipped

FOLDER = shipped("migrations")
RELEASED = tomllib.loads((FOLDER / "released.toml").read_text())
TAKES_AWAY = re.compile(
    r"DROP\s+(TABLE|COLUMN|FUNCTION|TYPE|SEQUENCE|VIEW|TRIGGER)|\bRENAME\b|SET\s+NOT\s+NULL|ALTER\s+COLUMN\s+\S+\s+TYPE"
    r"|ADD\s+(COLUMN\s+)?(?!CONSTRAINT|UNIQUE|PRIMARY|FOREIGN|CHECK)[^,;]*NOT\s+NULL(?![^,;]*DEFAULT)"
    r"|\b(drop_table|drop_column|alter_column|rename_table)\b|TRUNCATE|\$(unset|rename)|delete_many|drop_collection",
    re.IGNORECASE,
)


def new_revisions() -> list[Path]:
    postgres = sorted((FOLDER / "postgres" / "versions").glob("[0-9]*.py"))
    mongo = sorted((FOLDER / "mongo").glob("[0-9]*.py"))
    return [path for path in postgres if path.name[:4] > RELEASED["postgres"]] + [
        path for path in mongo if int(path.name[:4]) > RELEASED["mongo"]
    ]


def takes_away(source: str) -> bool:
    """Whether anything but `downgrade` does, without a word on which release no longer needs it."""
    module = ast.parse(source)
    kept = [one for one in module.body if not (isinstance(one, ast.FunctionDef) and one.name == "downgrade")]
    says = any(isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "contracts" for one in kept)
    return not says and any(TAKES_AWAY.search(ast.unparse(one)) for one in kept[1:])


@pytest.mark.parametrize("path", new_revisions(), ids=lambda path: path.stem)
def test_a_new_revision_only_adds_or_says_whom_it_leaves_behind(path: Path) -> None:
    assert not takes_away(path.read_text())


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE shops",
        "ALTER TABLE shops DROP COLUMN name",
        "ALTER TABLE shops RENAME TO stores",
        "ALTER TABLE shops ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE shops ALTER COLUMN size TYPE bigint",
        "ALTER TABLE shops ADD COLUMN size int NOT NULL",
    ],
)
def test_what_takes_away_is_found(statement: str) -> None:
    source = f"'A text.'\ndef upgrade():\n    op.execute({statement!r})\n"
    assert takes_away(source)
    assert not takes_away(f"'A text.'\ncontracts = '0.2.0'\n{source}")
    assert not takes_away(source.replace("upgrade", "downgrade"))


def test_what_adds_is_let_through() -> None:
    adds = (
        "CREATE TABLE t (id int NOT NULL); ALTER TABLE t ADD COLUMN size int NOT NULL DEFAULT 0, ADD COLUMN note text"
    )
    assert not takes_away(f"'A text.'\ndef upgrade():\n    op.execute({adds!r})\n")


def test_what_was_released_is_there() -> None:
    names = {path.name[:4] for path in (FOLDER / "postgres" / "versions").glob("[0-9]*.py")}
    assert RELEASED["postgres"] in names
