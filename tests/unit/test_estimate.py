"""`embedding-studio experiments estimate`: how large an experiment must be."""

import json

import pytest
from typer.testing import CliRunner

from embedding_studio.cli import app
from embedding_studio.experiments import size_ab, size_interleaving
from embedding_studio.kernel.errors import InvalidError


def estimated(*words: str) -> dict[str, float]:
    done = CliRunner().invoke(app, ["experiments", "estimate", *words, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_an_ab_test_is_sized_by_its_lift() -> None:
    found = estimated("--ctr", ".3", "--lift", ".1", "--traffic", ".5")
    sized = size_ab(0.3, 0.1)
    assert (found["sessions"], found["sessions_per_arm"]) == (sized.sessions, sized.per_arm)
    assert found["searches"] == 2 * sized.sessions


def test_interleaving_is_sized_by_its_preference() -> None:
    assert estimated("--ctr", ".3", "--preference", ".55")["sessions"] == size_interleaving(0.3, 0.55).sessions


@pytest.mark.parametrize("words", [(), ("--lift", ".1", "--preference", ".6"), ("--lift", ".1", "--traffic", "0")])
def test_what_cannot_be_estimated_is_refused(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["experiments", "estimate", "--ctr", ".3", *words])
    assert isinstance(done.exception, InvalidError)


def test_people_get_a_table() -> None:
    done = CliRunner().invoke(app, ["experiments", "estimate", "--ctr", ".3", "--lift", ".1"])
    assert "sessions per arm" in done.stdout
