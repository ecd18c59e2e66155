from embedding_studio.bench.search.rivals import Measured, compare


def test_our_times_stand_beside_those_of_each_rival() -> None:
    ours = {False: Measured(0.99, 2.0, 4.0), True: Measured(1.0, 5.0, 9.0)}
    row = {"rival": "chroma", "setting": "ef_search 20", "recall": 0.98, "p99": 8.0, "load_seconds": 1.0}
    figures = compare(ours, [{**row, "filtered": False, "p50": 3.0}, {**row, "filtered": True, "p50": 4.0}])
    medians = [figure for figure in figures if figure.name.startswith("p50")]
    assert [(one.name, one.measured, one.floor, one.ok) for one in medians] == [
        ("p50_vs_chroma", 2.0, 3.0, True),
        ("p50_vs_chroma_1%", 5.0, 4.0, False),
    ]
    assert {figure.note for figure in figures} == {"", "ef_search 20"}
