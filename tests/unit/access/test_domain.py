"""Who may do what."""

import pytest

from embedding_studio.access import ANYONE, LOCKED, NEEDS, Caller, needs, open_to_all
from embedding_studio.access.domain import Needs, Role
from embedding_studio.kernel.errors import ForbiddenError

ROLES: tuple[Role, ...] = ("search", "ingest", "admin", "metrics")


@pytest.mark.parametrize(
    ("role", "included"),
    [
        ("search", {"search"}),
        ("ingest", {"search", "ingest"}),
        ("admin", {"search", "ingest", "admin", "metrics"}),
        ("metrics", {"metrics"}),
    ],
)
def test_a_role_includes_the_smaller_ones(role: Role, included: set[Role]) -> None:
    assert {one for one in ROLES if Caller("k", role).has(one)} == included


def test_a_bound_key_touches_its_collections_alone() -> None:
    caller = Caller("k", "admin", frozenset({"shop"}))
    caller.require("shop")
    for other in ("shops", "", None):
        with pytest.raises(ForbiddenError, match="not granted"):
            caller.require(other)


@pytest.mark.parametrize("caller", [Caller("k", "search"), ANYONE])
def test_an_unbound_key_touches_all(caller: Caller) -> None:
    caller.require("shop")
    caller.require(None)


def test_a_route_is_locked_if_it_says_nothing() -> None:
    assert Needs("admin", minds_grants=False) == LOCKED
    assert needs("search")[NEEDS] == Needs("search")
    assert open_to_all()[NEEDS].role is None
