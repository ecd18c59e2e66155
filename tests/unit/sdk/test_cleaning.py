"""Texts before they are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk.cleaning import CleaningStep, Normalise, StripHtml

strip_html = StripHtml().build()
tags = st.sampled_from(["p", "b", "div", "td", "script", "!--", "svg", "title", "pre", "a href='", "plaintext", "/p"])
markup = st.lists(st.text(max_size=8) | st.builds("<{}>".format, tags) | st.sampled_from("<>&'\0"), max_size=12)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two<br>Three</p>", "One\nTwo\nThree"),
        ("<p>bold<b>er</b> <i>and</i>\n  on</p>", "bolder and on"),
        ("<script>let a = '<p>'</script>kept<style>p {}</style><!-- not <b>this</b> -->", "kept"),
        ("<noscript>Enable it</noscript><svg><title>icon</title></svg><iframe>x</iframe>kept", "kept"),
        ("<b>1 &lt; 2 &amp;&amp; caf&eacute;&nbsp;&#x1F600;</b>", "1 < 2 && café 😀"),
        ("<ul><li>one<li>two</ul>after", "one\ntwo\nafter"),
        ("<table><tr><td>Weight<td>3 kg<tr><td>Colour<td>red", "Weight 3 kg\nColour red"),
        ("<div><p>never <b>closed", "never closed"),
        ("</p></div>stray", "stray"),
        ("before <a href='un", "before"),
        ("<html><head><title>Page</title></head><body>text", "Page\ntext"),
        ("<p></p><div> </div>", ""),
        ("plain\n  lines &amp; entities", "plain\n  lines & entities"),
        ("", ""),
    ],
)
def test_what_a_reader_would_see_is_left(markup: str, text: str) -> None:
    assert strip_html(markup) == text


@given(markup.map("".join))
def test_no_markup_is_too_broken(text: str) -> None:
    stripped = strip_html(text)
    if "<" in text:
        assert "\0" not in stripped
        assert stripped.strip() == stripped


@given(markup.map("".join))
def test_stripping_twice_changes_nothing_more_unless_the_text_speaks_of_markup(text: str) -> None:
    stripped = strip_html(text)
    if not {"<", "&"} & set(stripped):
        assert strip_html(stripped) == stripped


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("ﬁne\u00a0\uff37ide ①", "fine Wide 1"),
        ("cafe\u0301", "café"),
        ("a\0b\x07\u200b\ufeff\u202ec\u00ad", "abc"),
        ("half \ud83d a character", "half a character"),
        (" many \t blanks \r\n\r\n\n\n two  lines\u2028three ", "many blanks\n\ntwo lines\nthree"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        (" \n\t ", ""),
    ],
)
def test_unicode_and_white_space_have_one_form(text: str, normalised: str) -> None:
    assert Normalise().build()(text) == normalised


def test_letters_become_small_on_wish() -> None:
    assert Normalise().build()("ÄB") == "ÄB"
    assert Normalise(lower=True).build()("ÄB J\u030c") == "äb \u01f0"


@pytest.mark.parametrize("step", [Normalise(), Normalise(lower=True)], ids=str)
@given(st.text(st.characters()))
def test_normalising_twice_changes_nothing_more(step: Normalise, text: str) -> None:
    normalise = step.build()
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="<&\0")))
def test_text_without_markup_loses_nothing(text: str) -> None:
    assert strip_html(text) == text
    assert strip_html(f"<p>{text}</p>").split() == text.split()


@pytest.mark.parametrize("step", [StripHtml(), Normalise()], ids=str)
def test_a_long_text_is_cleaned(step: CleaningStep) -> None:
    assert step.build()("<p>word</p> " * 40_000)
