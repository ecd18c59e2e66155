"""Parts are built once, though most of them cannot be hashed."""

from dataclasses import dataclass, field

import pytest

from embedding_studio.search.building import built


@dataclass(frozen=True, slots=True)
class Part:
    rules: dict[str, str] = field(default_factory=dict)
    built: list[object] = field(default_factory=list)

    def build(self) -> object:
        self.built.append(object())
        return self.built[-1]


def test_a_part_is_built_once_and_an_equal_one_for_itself() -> None:
    one, equal = Part(), Part()
    assert one == equal
    assert built(one) is built(one)
    assert built(one) is not built(equal)
    assert (len(one.built), len(equal.built)) == (1, 1)


def test_what_fails_is_tried_again() -> None:
    class Failing(Part):
        def build(self) -> object:
            self.built.append(object())
            raise ValueError("no luck")

    part = Failing()
    for _ in range(2):
        with pytest.raises(ValueError, match="no luck"):
            built(part)
    assert len(part.built) == 2
