import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from embedding_studio.demo.record import DemoReport
from embedding_studio.demo.report import print_report, render_html, write_html

HOSTILE = "<script>alert('x')</script> & \"quotes\" $title"


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path, a_report: Callable[..., DemoReport]) -> None:
    write_html(a_report("promote"), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|//\w|<script|<link|<img|@import|url\((?!#)", page)


def test_hostile_titles_and_queries_stay_text(a_report: Callable[..., DemoReport]) -> None:
    page = render_html(a_report("promote", title=HOSTILE, query=HOSTILE))
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;quotes&quot; $title") == 3


def test_the_page_says_loudly_that_users_are_simulated(a_report: Callable[..., DemoReport]) -> None:
    page = render_html(a_report("promote"))
    assert "<strong>Simulated users.</strong>" in page
    assert page.index("Simulated users") < page.index("<h1>")


def test_the_page_shows_decisions_reasons_lists_and_seconds(a_report: Callable[..., DemoReport]) -> None:
    page = render_html(a_report("not_enough_evidence", "promote"))
    for shown in ("not enough evidence", "reason of day 2", "“old films”", "The Robe", "60.0 s", "1,234 MB", "+0.100"):
        assert shown in page


@pytest.mark.parametrize(("shuffled", "title"), [(True, "Shuffled clicks"), (False, "got better from use")])
def test_the_title_tells_the_world(shuffled: bool, title: str, a_report: Callable[..., DemoReport]) -> None:
    assert title in render_html(a_report("reject", shuffled=shuffled))


def test_the_terminal_shows_the_table_and_the_days(a_report: Callable[..., DemoReport]) -> None:
    written = io.StringIO()
    print_report(a_report("reject", "promote"), Console(file=written, width=140))
    printed = written.getvalue()
    for shown in ("simulated users", "0.200", "0.300", "+0.100", "Day 2: promoted. reason of day 2", "240 s in all"):
        assert shown in printed
