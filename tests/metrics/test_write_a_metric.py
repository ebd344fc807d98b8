"""What the guide says is so: its metric works, its message is the message, its tables are complete."""

import re
from pathlib import Path

from metrics.dimensions import DIMENSIONS
from metrics.header import nearest
from metrics.model import Metric, load, read_metric, views

GUIDE = (Path(__file__).parents[2] / "docs" / "write-a-metric.md").read_text()
FILE = re.search(r"```sql\n(.*?)```", GUIDE, re.DOTALL)[1]


def test_the_guides_metric_is_one(tmp_path):
    path = tmp_path / "revenue_per_click.sql"
    path.write_text(FILE)

    assert isinstance(read_metric(path, views()), Metric)
    assert "revenue_per_click" in load(tmp_path)


def test_the_guides_message_is_what_check_says(tmp_path):
    path = tmp_path / "revenue_per_click.sql"
    path.write_text(FILE.replace("sum(conversion_value)", "sum(conversion_valu)"))
    message = re.search(r"```text\nmetrics/revenue_per_click.sql:(.*?)\n```", GUIDE)[1]

    (problem,) = read_metric(path, views())

    assert str(problem) == f"{path}:{message}"


def test_every_view_column_and_dimension_is_in_the_guide():
    for view in views().values():
        row = re.search(rf"^\| `{view.name}` \|.*$", GUIDE, re.MULTILINE)
        assert row, nearest(view.name, views())
        if "the same measures" not in row[0]:
            for column in set(view.columns) - {"source", "account", "campaign"}:
                assert re.search(rf"\b{column}\b", row[0]), (view.name, column)
    listed = GUIDE[GUIDE.index("Groups and filters:") :]
    for name in set(DIMENSIONS) - {"ad_group_name", "is_primary"}:
        assert f"`{name}`" in listed, name


def test_every_allowed_function_is_in_the_guide(tmp_path):
    path = tmp_path / "wrong.sql"
    path.write_text(re.sub(r"\nsum\(.*", "\nmedian(cost)", FILE))

    (problem,) = read_metric(path, views())

    for name in re.search(r"allowed: (.*)", problem.message)[1].split(", "):
        assert f"`{name}`" in GUIDE
