"""A definition is refused with its place and the nearest right name, or it means exactly one thing."""

from pathlib import Path

import pytest

from metrics import lock, model
from metrics.expression import parts
from metrics.header import DefinitionError
from metrics.model import DEFINITIONS, VIEWS, Metric, check, load, read_metric, read_view, views

GOOD = """\
-- title:    Cost per acquisition
-- owner:    performance-team
-- version:  3
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- from:     delivery
-- unit:     money
-- better:   lower
-- limits:   Conversions restate for days.
-- changes:  3 2026-11-01 counts purchases once
-- changes:  2 2026-10-01 leaves out view-through
sum(cost) / 1e6 / nullif(sum(conversions), 0)
"""


def written(folder: Path, text: str, name: str = "mine.sql") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    path = written(folder, text)
    found = read_metric(path, views())
    assert not isinstance(found, Metric)
    return [str(p).removeprefix(f"{path}:") for p in found]


def test_a_definition_is_read(tmp_path):
    metric = read_metric(written(tmp_path, GOOD), views())

    assert isinstance(metric, Metric)
    assert (metric.name, metric.version, metric.unit, metric.better) == ("mine", 3, "money", "lower")
    assert metric.view.name == "delivery"
    assert metric.changes[1] == "2 2026-10-01 leaves out view-through"
    assert metric.sql == "sum(cost) / 1e6 / nullif(sum(conversions), 0)"


def test_the_built_in_metrics_are_locked_and_without_problem():
    assert check(DEFINITIONS) == []
    assert set(load()) >= {
        "spend",
        "cpa",
        "cpl",
        "roas",
        "frequency",
        "impression_share",
        "conversions_by_arrival",
    }
    assert all(not isinstance(read_view(path), list) for path in VIEWS.glob("*.sql"))


BODY = "sum(cost) / 1e6 / nullif(sum(conversions), 0)"


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        ("sum(cots) / 1e6", "12:5", "unknown column `cots`; did you mean `cost`?"),
        ("sum(cost)\n  / nullif(sum(conversion), 0)", "13:16", "did you mean `conversions`?"),
        ("sum(delivery.cost)", "12:5", "without its table"),
        ("sum(cost); drop table delivery", "12:10", "no `;`"),
        ("sum(cost) -- in micros", "12:13", "no comment in the body"),
        ("sum(cost) /* in micros */", "12:13", "no comment in the body"),
        ("sum(cost), sum(clicks)", "12:10", "one expression only at `,`"),
        ("sum(cost) from delivery", "12:11", "at `from`"),
        ("sum(cost", "12:5", "Expecting )"),
        ("sum(cost) as spend", "12:1", "no alias"),
        ("select sum(cost)", "12:8", "no query"),
        ("sum(cost) / (select count(*) from delivery)", "12:21", "no query"),
        ("sum(cost) over (order by hour)", "12:1", "window function"),
        ("sum(distinct clicks)", "12:14", "in a count of one column alone"),
        ("count(distinct clicks, cost)", "12:16", "in a count of one column alone"),
        ("quantile_cont(clicks, 95)", "12:15", "a quantile is a number from 0 to 1"),
        ("quantile_cont(clicks, cost)", "12:15", "a quantile is a number from 0 to 1"),
        ("sum(cost) / $target", "12:1", "no parameters"),
        ("avg(clicks / impressions)", "12:1", "avg of a ratio"),
        ("sum(source)", "12:5", "`source` is a dimension, no number"),
        ("sum(cast(campaign as integer))", "12:10", "`campaign` is a dimension, no number"),
        ("sum(cost * (hour))", "12:13", "`hour` is a time, no number"),
        ("max(source)", "12:5", "`source` is a dimension, no number"),
        ("max(coalesce(source, ''))", "12:14", "`source` is a dimension, no number"),
        ("sum(case when clicks > 1 then source end)", "12:31", "`source` is a dimension, no number"),
        ("min(greatest(cost, hour))", "12:20", "`hour` is a time, no number"),
        ("max(nullif(campaign, 'x'))", "12:12", "`campaign` is a dimension, no number"),
        ("coalesce(max(cost), 'none')", "12:21", "`'none'` is a text"),
        ("sum(cost) > 1", "12:1", "write `case when SUM(cost) > 1 then 1 end`"),
        ("cast(sum(cost) as varchar)", "12:6", "no number, and a metric is one"),
        ("sum(sum(cost))", "12:5", "inside an aggregate"),
        ("sum(cost) / clicks", "12:13", "`clicks` stands outside an aggregate"),
        ("cost", "12:1", "nothing is aggregated"),
        ("sum(cost) * random()", "12:13", "`rand` is not allowed"),
        ("sum(cost) + now()", "12:13", "is not allowed"),
        ("max(getenv('HOME'))", "12:5", "`getenv` is not allowed"),
        ("max(read_text('/etc/passwd'))", "12:5", "is not allowed"),
        ("median(cost)", "12:1", "`median` is not allowed"),
        ("", "13:1", "no expression"),
        ("'", "12:1", "cannot be read as SQL"),
    ],
)
def test_a_body_that_is_not_one_aggregate_over_known_columns_is_refused(tmp_path, body, where, message):
    found = problems(tmp_path, GOOD.replace(BODY, body))

    assert any(p.startswith(f"{where}: ") and message in p for p in found), found


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("delivery", "delivry", "6:14", "unknown view `delivry`; did you mean `delivery`?"),
        ("money", "euro", "7:14", "`euro` is no unit; known: count, days, money"),
        ("lower\n", "lowr\n", "8:14", "did you mean `lower`?"),
        ("head-of-marketing", "performance-team", "5:14", "author and approver must differ"),
        ("version:  3", "version:  three", "3:14", "not a whole number"),
        ("reviewed: 2026-11-01", "reviewed: 2026-11-31", "4:14", "not a date"),
        ("-- limits:   Conversions restate for days.\n", "", "1:1", "no `-- limits:` line"),
        ("-- limits:   Conversions restate for days.", "-- limits:", "9:11", "`limits` is empty"),
        ("-- better:", "-- bettter:", "8:4", "unknown header key `bettter`; did you mean `better`?"),
        (
            "-- changes:  3 2026-11-01",
            "-- changes:  4 2026-11-01",
            "10:14",
            "the newest change is of version 4",
        ),
        ("2 2026-10-01 leaves", "leaves", "11:14", "a change is `version date what-changed`"),
        ("-- unit:     money", "-- unit:     money\n-- unit:     count", "8:4", "`unit` stands twice"),
    ],
)
def test_a_header_is_refused_at_its_line(tmp_path, old, new, where, message):
    found = problems(tmp_path, GOOD.replace(old, new, 1))

    assert any(p.startswith(f"{where}: ") and message in p for p in found), found


@pytest.mark.parametrize(
    "body",
    [
        "count(source)",
        "sum(case source when 'google_ads' then cost else 0 end)",
        "sum(cost) filter (where source = 'google_ads' and hour > cast('2026-11-01' as timestamp))",
        "sum(cast(clicks > 1 as integer)) / nullif(max(coalesce(cost, 0)), 0)",
    ],
)
def test_words_may_stand_where_they_only_choose(tmp_path, body):
    assert isinstance(read_metric(written(tmp_path, GOOD.replace(BODY, body)), views()), Metric)


def test_a_share_is_never_summed(tmp_path):
    text = GOOD.replace("delivery", "auction").replace(BODY, "sum(impression_share)")

    assert "is a share: weigh it" in problems(tmp_path, text)[0]
    assert "avg of a ratio" in problems(tmp_path, text.replace("sum(imp", "avg(imp"))[0]


def test_a_name_that_no_column_could_have_is_refused(tmp_path):
    path = written(tmp_path, GOOD, "Cost-per.sql")
    found = read_metric(path, views())

    assert isinstance(found, list)
    assert "`Cost-per` is no name" in str(found[0])


def test_load_says_every_problem_at_once(tmp_path):
    written(tmp_path, GOOD.replace("cost", "cots"), "one.sql")
    written(tmp_path, GOOD.replace("money", "euro"), "two.sql")

    with pytest.raises(DefinitionError) as error:
        load(tmp_path)

    assert [p.path.name for p in error.value.problems] == ["one.sql", "two.sql"]


def test_the_workspace_replaces_a_built_in_metric(tmp_path):
    written(tmp_path, GOOD.replace("sum(conversions)", "sum(purchases)"), "cpa.sql")

    assert load(tmp_path)["cpa"].parts.columns == {"cost", "purchases"}


@pytest.mark.parametrize(
    ("body", "additive"),
    [
        ("sum(cost) / 1e6", True),
        ("2 * sum(cost) - count(*)", True),
        ("sum(cost) filter (where clicks > 0)", True),
        ("-(sum(cost) / 4)", True),
        ("sum(cost) / sum(clicks)", False),
        ("max(cost)", False),
        ("sum(cost) * sum(clicks)", False),
        ("coalesce(sum(cost), 1)", False),
        ("avg(cost)", False),
    ],
)
def test_only_sums_of_sums_are_additive(body, additive):
    assert parts(body).additive is additive


def test_an_average_is_a_sum_by_a_count():
    taken = parts("avg(cost)")

    assert [(a.function, a.inner) for a in taken.aggregates] == [("sum", "cost"), ("count", "cost")]
    assert taken.outer == "({0} / NULLIF({1}, 0))"


class TestLock:
    def locked(self, folder: Path) -> Path:
        written(folder, GOOD)
        path = folder / lock.NAME
        assert model.lock(folder) == ["mine"]
        assert check(folder) == []
        return path

    def test_spelling_is_not_meaning(self, tmp_path):
        self.locked(tmp_path)
        written(tmp_path, GOOD.replace(BODY, "SUM( cost )/1e6\n  / NULLIF(sum(conversions),0)"))

        assert check(tmp_path) == []

    def test_a_file_that_is_gone_since_it_was_read_is_judged_as_it_was(self, tmp_path):
        path = self.locked(tmp_path)
        metric = read_metric(written(tmp_path, GOOD.replace("1e6", "1e3")), views())
        assert isinstance(metric, Metric)
        metric.path.unlink()

        (problem,) = lock.verify([metric], path)

        assert (problem.line, "the version is still 3" in problem.message) == (3, True)

    @pytest.mark.parametrize(
        ("old", "new"), [("sum(conversions)", "sum(purchases)"), ("money", "ratio"), ("1e6", "1e3")]
    )
    def test_a_changed_meaning_needs_a_new_version(self, tmp_path, old, new):
        path = self.locked(tmp_path)
        before = path.read_text()
        written(tmp_path, GOOD.replace(old, new))

        (problem,) = check(tmp_path)

        assert (problem.line, problem.path.name) == (3, "mine.sql")
        assert "the meaning changed and the version is still 3" in problem.message
        with pytest.raises(DefinitionError, match="version is still 3"):
            model.lock(tmp_path)
        assert path.read_text() == before

    def test_a_new_version_is_locked_on_request(self, tmp_path):
        self.locked(tmp_path)
        text = GOOD.replace("version:  3", "version:  4").replace("sum(conversions)", "sum(purchases)")
        written(
            tmp_path,
            text.replace("-- changes:  3", "-- changes:  4 2026-11-09 purchases only\n-- changes:  3"),
        )

        assert "run `paceline metrics lock`" in check(tmp_path)[0].message
        assert model.lock(tmp_path) == ["mine"]
        assert check(tmp_path) == []

    def test_an_older_version_a_missing_and_a_new_file_are_told(self, tmp_path):
        self.locked(tmp_path)
        (tmp_path / "mine.sql").rename(tmp_path / "other.sql")

        assert [(p.path.name, p.message.split(":")[0]) for p in check(tmp_path)] == [
            ("metrics.lock", "`mine` is locked, but mine.sql is gone"),
            ("other.sql", "`other` is not locked yet"),
        ]
        (tmp_path / "other.sql").unlink()
        written(
            tmp_path, GOOD.replace("version:  3", "version:  2").replace("-- changes:  3", "-- changes:  2")
        )
        assert "older than the locked 3" in check(tmp_path)[0].message

    def test_a_broken_file_is_reported_once(self, tmp_path):
        self.locked(tmp_path)
        written(tmp_path, GOOD.replace("cost)", "cots)"))

        assert len(check(tmp_path)) == 1

    def test_a_broken_lock_is_reported_at_its_place(self, tmp_path):
        self.locked(tmp_path).write_text("{\n  oops\n}")

        (problem,) = check(tmp_path)

        assert (problem.path.name, problem.line, problem.column) == ("metrics.lock", 2, 3)
        with pytest.raises(DefinitionError, match="is not JSON"):
            model.lock(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SELECT source, account,", "SELECT account,", "documented are source, account"),
        ("FROM ad_delivery", "FROM delivery", "the SELECT reads delivery; `reads` says ad_delivery"),
        ("FROM ad_delivery", "FROM", "cannot be read as SQL"),
        ("money      spend", "cash       spend", "a column is `name kind what-it-is`"),
    ],
)
def test_a_view_documents_what_it_gives_and_reads(tmp_path, old, new, message):
    text = (VIEWS / "ads.sql").read_text()
    assert old in text

    found = read_view(written(tmp_path, text.replace(old, new)))

    assert isinstance(found, list)
    assert any(message in p.message for p in found), found
