"""One tree of errors, and what each says to whom catches it."""

import inspect

from embedding_studio.kernel import errors
from embedding_studio.kernel.errors import FieldError, InvalidError, StudioError, UnavailableError


def test_only_an_outage_may_pass_by_itself() -> None:
    retryable = {
        name for name, one in vars(errors).items() if inspect.isclass(one) and getattr(one, "retryable", False)
    }
    assert retryable == {"UnavailableError"}


def test_an_invalid_request_names_its_place() -> None:
    error = InvalidError.at("items[3].id", "is too long")
    assert (error.detail, error.errors) == ("items[3].id: is too long", (FieldError("items[3].id", "is too long"),))


def test_every_error_says_what_went_wrong() -> None:
    for error in (StudioError("a"), UnavailableError("a", retry_after=7)):
        assert str(error) == error.detail == "a"
    assert UnavailableError("a", retry_after=7).retry_after == 7
