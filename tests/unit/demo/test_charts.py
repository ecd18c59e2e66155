from collections.abc import Callable
from xml.etree import ElementTree as ET

from embedding_studio.demo.charts import learning_curve
from embedding_studio.demo.record import DemoReport


def test_the_curve_is_an_svg_that_names_its_days_and_lines(a_report: Callable[..., DemoReport]) -> None:
    svg = learning_curve(a_report("not_enough_evidence", "reject", "promote"))
    drawn = ET.fromstring(svg.replace("xlink:href", "href"))
    assert drawn.tag == "svg"
    texts = {element.text for element in drawn.iter("text")}
    assert {"before", "day 1", "day 2", "day 3", "seen queries", "never-clicked queries"} <= texts


def test_the_same_report_draws_the_same_curve(a_report: Callable[..., DemoReport]) -> None:
    assert learning_curve(a_report("promote")) == learning_curve(a_report("promote"))
