"""Keys: random, told once, compared without telling."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.access import authorization, credentials
from embedding_studio.access.credentials import digest, is_one_of, new_credential, read_credential


def test_a_key_is_read_as_it_was_made() -> None:
    made = new_credential()
    assert read_credential(made.text) == made
    assert new_credential(made.id).id == made.id


def test_no_two_keys_are_alike() -> None:
    made = [new_credential() for _ in range(1_000)]
    assert len({one.id for one in made}) == len({one.secret for one in made}) == 1_000


@given(st.text() | st.from_regex(r"es_[0-9a-f]{14,18}_[\w-]{41,45}"))
def test_whatever_is_sent_is_a_key_or_none(text: str) -> None:
    found = read_credential(text)
    assert found is None or found.text == text


def test_a_key_is_not_shown_by_accident() -> None:
    made = new_credential()
    assert made.secret not in repr(made)
    assert made.secret not in f"{made}"


def test_a_secret_is_known_by_its_digest_alone() -> None:
    first, second = new_credential(), new_credential()
    assert first.secret not in digest(first.secret)
    assert is_one_of(first.secret, [digest(first.secret)])
    assert is_one_of(first.secret, [digest(second.secret), digest(first.secret)])
    assert not is_one_of(first.secret, [digest(second.secret)])
    assert not is_one_of(first.secret, [])


def test_every_digest_is_compared_and_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(ours: str, theirs: str) -> bool:
        compared.append(theirs)
        return hmac.compare_digest(ours, theirs)

    secret = new_credential().secret
    monkeypatch.setattr(credentials, "hmac", type("Spy", (), {"compare_digest": staticmethod(compare)}))
    digests = [digest(secret), digest(new_credential().secret)]
    assert is_one_of(secret, digests)
    assert compared == digests


def test_commands_send_the_key_of_the_environment() -> None:
    assert authorization({"EMBEDDING_STUDIO_KEY": "es_x"}) == {"Authorization": "Bearer es_x"}
    assert authorization({}) == authorization({"EMBEDDING_STUDIO_KEY": ""}) == {}
