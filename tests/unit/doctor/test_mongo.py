"""What the doctor says of MongoDB."""

from typing import Any

import pytest

from embedding_studio.doctor.mongo import judge_mongo

from .wrong import wrong

PRIMARY = {"setName": "rs0", "isWritablePrimary": True}


@pytest.mark.parametrize(
    ("version", "hello", "severities"),
    [
        ("6.0.5", PRIMARY, []),
        ("6.0.5", {"isWritablePrimary": True}, ["warn"]),
        ("5.0.1", PRIMARY, ["bad"]),
        ("7.0.1", {"setName": "rs0", "isWritablePrimary": False}, ["bad"]),
    ],
)
def test_what_is_wrong_with_mongo_is_said(version: str, hello: dict[str, Any], severities: list[str]) -> None:
    assert [one for one, _ in wrong(judge_mongo(version, hello))] == severities
