"""Figures of a made-up fortnight against pandas, for any window, grouping and filter."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Window
from connectors.web_rows import PageCheck
from metrics import windows
from metrics.compute import answer, evaluate, series
from metrics.dimensions import Convention, UnknownDimension
from metrics.model import Metric, load, read_metric, read_view, views
from metrics.plan import Question
from tests.metrics import reference
from tests.metrics.conftest import Store, hour, midnight, total
from warehouse.duck import DuckWarehouse

NAMES = list(reference.FORMULAS)
EUR = [("google_ads", "g1"), ("meta_ads", "m1")]
IN_EUR = {"account": ["g1", "m1"]}
FEW = settings(max_examples=12, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with DuckWarehouse.open(tmp_path_factory.mktemp("world") / "paceline.duckdb", min_free=0) as warehouse:
        store = Store(warehouse)
        delivery, totals = reference.fill(store)
        store.ads, store.segments, store.auctions = reference.fill_by_the_day(store)
        store.hours = reference.placed(delivery, totals)
        yield store


def expected(frame: pd.DataFrame, by: list[str], names: list[str]) -> pd.DataFrame:
    sums = frame.groupby(by)[reference.MEASURES].sum() if by else frame[reference.MEASURES].sum().to_frame().T
    return reference.figures(sums, names)


def inside(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    return frame[(frame["hour"] >= window.start) & (frame["hour"] < window.end)]


def same(table, wanted: pd.DataFrame, names: list[str]) -> None:
    found = table.to_pandas()
    assert len(found) == len(wanted)
    for name in names:
        np.testing.assert_allclose(
            found[name].to_numpy(), wanted[name].to_numpy(), rtol=1e-9, atol=1e-9, err_msg=name
        )


first = datetime(2026, 10, 19, 12, tzinfo=UTC)
moments = st.integers(0, 17 * 24).map(lambda n: first + timedelta(hours=n))


@st.composite
def spans(draw, longest: int = 17 * 24) -> Window:
    start = draw(moments)
    return Window(start, start + timedelta(hours=draw(st.integers(1, longest))))


@FEW
@given(
    window=spans(),
    by=st.sampled_from(
        [[], ["source"], ["source", "account"], ["source", "account", "campaign"], ["hour_of_day"]]
    ),
)
def test_every_metric_equals_pandas_in_any_window_and_grouping(world, book, window, by):
    frame = inside(world.hours, window)
    frame = frame[frame["account"].isin(["g1", "m1"])]

    table = evaluate(world.warehouse, [book[n] for n in NAMES], window, tuple(by), where=IN_EUR)

    same(table, expected(frame, by, NAMES), NAMES)
    assert set(table["currency"].to_pylist()) <= {"EUR"}


@FEW
@given(
    window=spans(), by=st.sampled_from(["source", "account", "campaign", "channel", "country", "hour_of_day"])
)
def test_groups_add_up_to_the_total(world, book, window, by):
    chosen = [book[n] for n in ("spend", "clicks", "conversions", "revenue")]
    convention = Convention("(?P<country>[A-Z]{2})_.*")

    groups = evaluate(world.warehouse, chosen, window, (by,), where=IN_EUR, convention=convention)
    (whole,) = evaluate(world.warehouse, chosen, window, where=IN_EUR).to_pylist()

    for metric in chosen:
        assert sum(groups[metric.name].to_pylist()) == pytest.approx(whole[metric.name])


def test_names_kinds_labels_and_conventions_group(world, book):
    window = Window(midnight(date(2026, 10, 24)), midnight(date(2026, 10, 26)))
    frame = inside(world.hours, window)
    frame = frame[frame["account"].isin(["g1", "m1"])].assign(
        channel=lambda f: f["campaign"].map(reference.CHANNELS),
        campaign_name=lambda f: f["campaign"].map(reference.NAMES),
        country=lambda f: f["campaign"].map({"a": "DE", "b": "AT", "c": ""}),
        thing=lambda f: f["campaign"].map({"a": "shoes", "b": "hats", "c": ""}),
    )
    metrics = [book["spend"], book["cpa"]]
    convention = Convention("(?P<country>[A-Z]{2})_(?P<thing>.*)")

    for by in (["channel"], ["campaign_name"], ["country"], ["country", "thing"]):
        table = evaluate(world.warehouse, metrics, window, by, where=IN_EUR, convention=convention)
        same(table, expected(frame, by, ["spend", "cpa"]), ["spend", "cpa"])

    labelled = evaluate(world.warehouse, metrics, window, ("label",), where=IN_EUR)
    assert labelled["label"].to_pylist() == ["", "autumn", "brand"]
    spend = frame.groupby("campaign")["cost"].sum()
    assert labelled["spend"].to_pylist() == pytest.approx([spend["c"], spend["a"] + spend["b"], spend["a"]])


def test_filters_keep_what_they_say(world, book):
    window = Window(midnight(date(2026, 10, 24)), midnight(date(2026, 10, 26)))
    frame = inside(world.hours, window)
    frame = frame[frame["account"].isin(["g1", "m1"])]
    convention = Convention("(?P<country>[A-Z]{2})_.*")

    def spend(**where) -> float:
        kept = {**IN_EUR, **where}
        table = evaluate(world.warehouse, [book["spend"]], window, where=kept, convention=convention)
        return table["spend"].to_pylist()[0]

    by_campaign = frame.groupby("campaign")["cost"].sum()
    assert spend(campaign="a") == pytest.approx(by_campaign["a"])
    assert spend(campaign=["a", "b"]) == pytest.approx(by_campaign["a"] + by_campaign["b"])
    assert spend(channel="search") == pytest.approx(by_campaign["a"] + by_campaign["c"])
    assert spend(country=["AT"]) == pytest.approx(by_campaign["b"])
    # A campaign that has both labels counts once.
    assert spend(label=["autumn", "brand"]) == pytest.approx(by_campaign["a"] + by_campaign["b"])
    assert spend(campaign=[]) == 0
    assert spend(campaign="no such '); drop table delivery; --") == 0
    assert spend(hour_of_day=9) == pytest.approx(frame[frame["hour_of_day"] == 9]["cost"].sum())


def test_a_window_without_rows_gives_zero_and_null(world, book):
    window = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
    chosen = [book[n] for n in ("spend", "conversions", "cpa", "impression_share")]

    assert evaluate(world.warehouse, chosen, window, where=IN_EUR).to_pylist() == [
        {"spend": 0, "conversions": 0, "cpa": None, "impression_share": None, "currency": "EUR"}
    ]
    assert evaluate(world.warehouse, chosen, window, ("campaign",), where=IN_EUR).num_rows == 0
    assert evaluate(world.warehouse, chosen, {}, where=IN_EUR)["spend"].to_pylist() == [0]


def test_each_account_has_its_own_today(world, book):
    known = windows.accounts(world.warehouse)
    until = {key: datetime(2026, 10, 31, 20, tzinfo=UTC) for key in known}
    today = windows.today(known, until)

    table = evaluate(world.warehouse, [book["clicks"]], today, ("account",)).to_pandas()

    # In Kolkata the 1st of November began at 18:30 UTC.
    day = {
        "g1": date(2026, 10, 31),
        "g2": date(2026, 10, 31),
        "m1": date(2026, 10, 31),
        "m2": date(2026, 11, 1),
    }
    frame = world.hours[world.hours["hour"] < until["google_ads", "g1"]]
    for account, clicks in zip(table["account"], table["clicks"], strict=True):
        kept = frame[(frame["account"] == account) & (frame["day"] == day[account])]
        assert clicks == kept["clicks"].sum() > 0


class TestByTheDay:
    day = date(2026, 10, 30)
    window = Window(midnight(day), midnight(day + timedelta(days=2)))

    def test_ads_devices_and_networks(self, world, book):
        # A metric is one expression over one view: an ad's figures are the same formula over the ads view.
        def over(view: str) -> Metric:
            spend = book["spend"]
            fields = {f: getattr(spend, f) for f in spend.__dataclass_fields__}
            return Metric(**{**fields, "view": views()[view]})

        ads = evaluate(
            world.warehouse, [over("ads")], self.window, ("ad", "ad_name"), where={"account": "g1"}
        )
        assert ads["ad_name"].to_pylist() == ["Ad x", "Ad y"]
        assert ads["spend"].to_pylist() == [1 + 2, 3 + 4]
        where = {"account": "g1"}
        by_device = evaluate(world.warehouse, [over("segments")], self.window, ("device",), where=where)
        assert by_device.select(["device", "spend"]).to_pylist() == [
            {"device": "desktop", "spend": 2 * (5 + 6 + 7 + 8)},
            {"device": "mobile", "spend": 2 * (1 + 2 + 3 + 4)},
        ]
        one_day = Window(midnight(self.day), midnight(self.day + timedelta(days=1)))
        where = {"account": "g1", "network": "partners"}
        assert evaluate(world.warehouse, [over("segments")], one_day, where=where)["spend"].to_pylist() == [
            2 * (3 + 7)
        ]

    def test_shares_are_weighed_by_what_they_are_shares_of(self, world, book):
        chosen = [book[n] for n in ("impression_share", "lost_to_budget", "lost_to_rank", "frequency")]

        rows = evaluate(
            world.warehouse, chosen, self.window, ("campaign",), where={"account": "g1"}
        ).to_pylist()

        # a: eligible 300 / 0.3 = 1000 and 400 / 0.8 = 500 impressions.
        assert rows[0]["impression_share"] == pytest.approx(700 / 1500)
        assert rows[0]["lost_to_budget"] == pytest.approx((500 + 50) / 1500)
        assert rows[0]["lost_to_rank"] == pytest.approx((200 + 50) / 1500)
        assert rows[0]["frequency"] is None
        # b: 90 impressions to 45 people, then 60 to 20.
        assert rows[1]["impression_share"] is None
        assert rows[1]["frequency"] == pytest.approx(150 / 65)

    def test_views_stand_side_by_side(self, world, book):
        chosen = [book[n] for n in ("spend", "impression_share", "conversions_by_arrival")]

        rows = evaluate(world.warehouse, chosen, self.window, ("campaign",), where=IN_EUR).to_pylist()

        frame = inside(world.hours, self.window)
        frame = frame[frame["account"].isin(["g1", "m1"])]
        spend = frame.groupby(["source", "account", "campaign"])["cost"].sum()
        assert [r["spend"] for r in rows] == pytest.approx(spend.to_list())
        assert [r["impression_share"] for r in rows] == [pytest.approx(700 / 1500), *[None] * 5]
        assert {r["conversions_by_arrival"] for r in rows} == {0}


class TestSeries:
    @FEW
    @given(
        window=spans(longest=60),
        step=st.sampled_from([1, 2, 3, 6]),
        times=st.integers(1, 30),
        by=st.sampled_from([[], ["source"], ["source", "account", "campaign"]]),
    )
    def test_rolling_hours_equal_brute_force(self, world, book, window, step, times, by):
        names = ["spend", "conversions", "cpa", "cpl"]
        size, rolling = timedelta(hours=step), timedelta(hours=step * times)

        table = series(
            world.warehouse, [book[n] for n in names], window, step=size, rolling=rolling, by=by, where=IN_EUR
        ).to_pandas()

        frame = world.hours[world.hours["account"].isin(["g1", "m1"])]
        reach = inside(frame, Window(window.start - rolling + size, window.end))
        groups = reach[by].drop_duplicates().sort_values(by).to_dict("records") if by else [{}]
        ends = [window.start + (n + 1) * size for n in range(-((window.start - window.end) // size))]
        sums = []
        for group in groups:
            own = reach[(reach[list(group)] == pd.Series(group)).all(axis=1)] if group else reach
            hours, measures = (
                own["hour"].dt.tz_localize(None).to_numpy(),
                own[reference.MEASURES].to_numpy(float),
            )
            sums += [
                measures[(hours >= end - np.timedelta64(rolling)) & (hours < end)].sum(0)
                for end in [np.datetime64(end.replace(tzinfo=None)) for end in ends]
            ]
        wanted = reference.figures(pd.DataFrame(sums, columns=reference.MEASURES), names)
        assert table["at"].to_list() == [end - size for _ in groups for end in ends]
        for name in names:
            np.testing.assert_allclose(table[name].to_numpy(float), wanted[name], rtol=1e-9, atol=1e-9)

    @FEW
    @given(
        first=st.integers(0, 10), length=st.integers(1, 8), step=st.integers(1, 3), times=st.integers(1, 4)
    )
    def test_rolling_days_follow_each_accounts_calendar(self, world, book, first, length, step, times):
        names = ["spend", "clicks", "roas"]
        start = reference.FIRST + timedelta(days=3 + first)
        known = {k: a for k, a in windows.accounts(world.warehouse).items() if k in EUR or k[1] == "g2"}
        asked = windows.days(known, start, start + timedelta(days=length - 1))

        table = series(
            world.warehouse,
            [book[n] for n in names],
            asked,
            step=timedelta(days=step),
            rolling=timedelta(days=step * times),
            by=("account",),
        ).to_pandas()

        steps = -(-length // step)
        for account, rows in table.groupby("account"):
            own = world.hours[world.hours["account"] == account]
            assert rows["at"].to_list() == [start + timedelta(days=n * step) for n in range(steps)]
            for n, (_, row) in enumerate(rows.iterrows()):
                end = min(start + timedelta(days=(n + 1) * step), start + timedelta(days=length))
                begin = start + timedelta(days=(n + 1) * step) - timedelta(days=step * times)
                wanted = expected(own[(own["day"] >= begin) & (own["day"] < end)], [], names).iloc[0]
                np.testing.assert_allclose(row[names].to_numpy(float), wanted.to_numpy(float), rtol=1e-9)

    def test_the_day_with_25_hours_is_one_day(self, store, book):
        store.account("google_ads", "g1")
        store.reply(
            "google_ads",
            "g1",
            [hour("1", f"2026-10-{d}T{h:02}:00", clicks=1, cost=h) for d in (24, 25, 26) for h in range(24)],
        )
        window = Window(midnight(date(2026, 10, 24)), midnight(date(2026, 10, 27)))
        assert window.end - window.start == timedelta(hours=73)

        table = series(store.warehouse, [book["clicks"], book["cpc"]], window, step=timedelta(days=1))

        assert table.to_pylist() == [
            {"at": date(2026, 10, d), "clicks": 24, "cpc": sum(range(24)) / 24, "currency": "EUR"}
            for d in (24, 25, 26)
        ]

    def test_silence_is_zero_for_sums_and_null_for_ratios(self, store, book):
        store.account("google_ads", "g1")
        store.reply("google_ads", "g1", [hour("1", "2026-11-02T09:00", clicks=2, cost=3)])
        window = Window(
            midnight(date(2026, 11, 2)) + timedelta(hours=8),
            midnight(date(2026, 11, 2)) + timedelta(hours=12),
        )

        table = series(
            store.warehouse, [book["spend"], book["cpc"]], window, by=("source",), rolling=timedelta(hours=2)
        )

        assert table["spend"].to_pylist() == [0, 3, 3, 0]
        assert table["cpc"].to_pylist() == [None, 1.5, 1.5, None]
        assert table["source"].to_pylist() == ["google_ads"] * 4

    def test_extremes_roll_as_extremes(self, store, book, tmp_path):
        text = book["spend"].path.read_text().replace("sum(cost) / 1e6", "max(clicks) + min(clicks)")
        path = tmp_path / "span.sql"
        path.write_text(text.replace("money", "count"))
        metric = read_metric(path, views())
        store.account("google_ads", "g1")
        store.reply(
            "google_ads",
            "g1",
            [hour("1", f"2026-11-02T{h:02}:00", clicks=c) for h, c in ((8, 5), (9, 1), (10, 3))],
        )
        start = midnight(date(2026, 11, 2))
        window = Window(start + timedelta(hours=7), start + timedelta(hours=11))

        table = series(store.warehouse, [metric], window, rolling=timedelta(hours=2))

        assert table["span"].to_pylist() == [None, 10, 6, 4]

    def test_a_step_that_cannot_be_is_refused(self, world, book):
        window = Window(midnight(date(2026, 11, 2)), midnight(date(2026, 11, 3)))
        spend, share = [book["spend"]], [book["impression_share"]]

        for metrics, step, rolling, message in [
            (spend, timedelta(minutes=15), None, "spend is known by the hour"),
            (share, timedelta(hours=1), None, "impression_share is known by the day"),
            (spend, timedelta(hours=2), timedelta(hours=3), "not a whole number of steps"),
            (spend, timedelta(hours=2), timedelta(hours=1), "not a whole number of steps"),
            (spend, timedelta(hours=36), None, "neither part of a day nor whole days"),
            (spend, timedelta(0), None, "not a whole number of steps"),
        ]:
            with pytest.raises(ValueError, match=message):
                series(world.warehouse, metrics, window, step=step, rolling=rolling, where=IN_EUR)


class TestArrivals:
    def test_conversions_count_when_they_were_first_seen(self, store, book):
        store.account("google_ads", "g1")
        store.account("meta_ads", "m1")
        day = midnight(date(2026, 11, 2))
        whole = Window(day, day + timedelta(days=1))

        def google(minute: int, conversions: float) -> None:
            rows = [hour("1", "2026-11-02T01:00", clicks=9, conversions=conversions)]
            store.reply("google_ads", "g1", rows, seen_at=day + timedelta(minutes=minute), window=whole)

        def meta(minute: int, conversions: float) -> None:
            at = day + timedelta(minutes=minute)
            store.reply(
                "meta_ads",
                "m1",
                [hour("7", "2026-11-02T01:00", clicks=9, conversions=None)],
                seen_at=at,
                window=whole,
            )
            store.reply("meta_ads", "m1", [total("7", "2026-11-02", conversions)], seen_at=at, window=whole)

        google(65, 1)  # the hour itself is five minutes old: news
        google(125, 4)
        google(190, 3)  # one taken back
        meta(65, 5)  # the first look at a day: how they came is not known
        meta(125, 7)
        metric = [book["conversions_by_arrival"]]

        table = series(store.warehouse, metric, Window(day, day + timedelta(hours=4)), by=("source",))

        assert table["conversions_by_arrival"].to_pylist() == [0, 1, 3, -1, 0, 0, 2, 0]
        quarter = series(
            store.warehouse,
            metric,
            Window(day + timedelta(hours=2), day + timedelta(hours=3)),
            step=timedelta(minutes=15),
        )
        assert quarter["conversions_by_arrival"].to_pylist() == [5, 0, 0, 0]

    def test_history_is_not_news(self, store, book):
        store.account("google_ads", "g1")
        now = datetime(2026, 11, 20, tzinfo=UTC)
        store.reply("google_ads", "g1", [hour("1", "2026-11-02T01:00", clicks=9, conversions=4)], seen_at=now)

        found = evaluate(
            store.warehouse, [book["conversions_by_arrival"]], Window(now, now + timedelta(hours=1))
        )

        assert found["conversions_by_arrival"].to_pylist() == [0]


def test_the_past_is_replayed_from_the_ledger(store, book):
    store.account("google_ads", "g1")
    day = midnight(date(2026, 11, 2))
    window = Window(day, day + timedelta(days=1))
    seen = [(1, 10.0, 1), (2, 14.0, 1), (26, 13.0, 4)]
    for hours, cost, conversions in seen:
        rows = [hour("1", "2026-11-02T00:00", clicks=5, cost=cost, conversions=conversions)]
        store.reply("google_ads", "g1", rows, seen_at=day + timedelta(hours=hours), window=window)
    chosen = [book["spend"], book["cpa"]]

    for hours, cost, conversions in seen:
        for later in (timedelta(0), timedelta(minutes=59)):
            at = day + timedelta(hours=hours) + later
            assert evaluate(store.warehouse, chosen, window, as_of=at).to_pylist() == [
                {"spend": cost, "cpa": cost / conversions, "currency": "EUR"}
            ]
    assert evaluate(store.warehouse, chosen, window, as_of=day)["spend"].to_pylist() == [0]
    assert evaluate(store.warehouse, chosen, window)["spend"].to_pylist() == [13]


def test_an_unknown_dimension_is_told_with_the_nearest(world, book):
    window = Window(midnight(date(2026, 11, 2)), midnight(date(2026, 11, 3)))

    with pytest.raises(UnknownDimension, match="unknown dimension `chanel`; did you mean `channel`"):
        evaluate(world.warehouse, [book["spend"]], window, ("chanel",))
    with pytest.raises(UnknownDimension, match="`delivery` is not known by device; known: source, account"):
        evaluate(world.warehouse, [book["spend"]], window, ("device",))
    with pytest.raises(UnknownDimension, match="did you mean `campaign`"):
        evaluate(world.warehouse, [book["spend"]], window, where={"campaing": "a"})


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<country>[A-Z]{2}", "is no regular expression"),
        ("[A-Z]{2}_.*", "has no named group"),
        ("(?P<channel>.*)", "`channel` is a dimension already"),
        ("(?P<country>[A-Z]{2})(?=_)", r"kind \(RE2\): invalid perl operator: \(\?="),
        (r"(?P<country>[A-Z]{2})\1", r"kind \(RE2\): invalid escape sequence"),
    ],
)
def test_a_convention_that_names_nothing_is_refused(pattern, message):
    with pytest.raises(ValueError, match=message):
        Convention(pattern)


class TestRelations:
    """A view may stand on another, and read what the caller supplies."""

    HEADER = """\
-- title:    Settled conversions by the hour
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
"""
    VIEW = f"""{HEADER}-- grain:    hour
-- time:     hour
-- reads:    delivery_rows, completeness
-- column:   source       dimension the source
-- column:   account      dimension the account
-- column:   campaign     dimension the campaign
-- column:   hour         time      the hour
-- column:   day          time      the day
-- column:   conversions  count     conversions so far
-- column:   completeness share     what part of them is known
-- limits:   None.
-- changes:  1 2026-11-01 first version
SELECT d.source, d.account, d.campaign, d.hour, d.day, d.conversions, c.share AS completeness
FROM delivery_rows AS d
JOIN completeness AS c ON c.source = d.source AND c.account = d.account AND c.hour = d.hour
"""
    METRIC = f"""{HEADER}-- from:     settled
-- unit:     count
-- better:   higher
-- limits:   None.
-- changes:  1 2026-11-01 first version
sum(conversions / completeness)
"""

    @pytest.fixture
    def settled(self, tmp_path):
        (tmp_path / "settled.sql").write_text(self.VIEW)
        (tmp_path / "settled_conversions.sql").write_text(self.METRIC)
        view = read_view(tmp_path / "settled.sql")
        assert not isinstance(view, list), view
        metric = read_metric(tmp_path / "settled_conversions.sql", {"settled": view})
        assert not isinstance(metric, list), metric
        return metric

    def test_its_columns_count(self, store, book, settled):
        store.account("meta_ads", "m1")
        store.reply(
            "meta_ads",
            "m1",
            [hour("1", f"2026-11-02T{h}:00", clicks=1, conversions=None) for h in ("09", "10")],
        )
        store.reply("meta_ads", "m1", [total("1", "2026-11-02", 6)])
        start = midnight(date(2026, 11, 2))
        window = Window(start, start + timedelta(days=1))
        share = "SELECT 'meta_ads' AS source, 'm1' AS account, TIMESTAMPTZ '2026-11-02 {}:00+01' AS hour, {} AS share"
        supplied = {"completeness": f"{share.format('09', 0.75)} UNION ALL {share.format('10', 0.5)}"}

        found = evaluate(store.warehouse, [settled], window, relations=supplied)
        by_hour = series(store.warehouse, [settled], window, relations=supplied)
        beside = evaluate(store.warehouse, [book["clicks"], settled], window, relations=supplied)

        # Three conversions stand in each of the two hours.
        assert found["settled_conversions"].to_pylist() == [3 / 0.75 + 3 / 0.5]
        assert [v for v in by_hour["settled_conversions"].to_pylist() if v] == [4, 6]
        assert beside.to_pylist() == [{"clicks": 2, "settled_conversions": 10}]

    def test_one_that_nobody_supplies_is_asked_for(self, world, settled):
        window = Window(midnight(date(2026, 11, 2)), midnight(date(2026, 11, 3)))

        with pytest.raises(ValueError, match="settled_conversions needs the relation `completeness`"):
            evaluate(world.warehouse, [settled], window)


def test_many_windows_at_once_are_each_what_they_are_alone(world, book):
    metrics = [book[name] for name in ("spend", "conversions", "cpa", "roas")]
    end = datetime(2026, 11, 2, 12, tzinfo=UTC)
    spans = [
        Window(end - timedelta(hours=h + s), end - timedelta(hours=s))
        for h, s in ((1, 0), (24, 0), (72, 0), (72, 24))
    ]
    question = Question(tuple(metrics), ("account",), IN_EUR)
    together = answer(world.warehouse, question, [[span] for span in spans])
    for slot, span in enumerate(spans):
        alone = evaluate(world.warehouse, metrics, span, ("account",), where=IN_EUR)
        at = {name: n for n, name in enumerate(together["account"].to_pylist())}
        assert alone.num_rows == 2
        for row in alone.to_pylist():
            for metric in metrics:
                name = metric.name + (f"__{slot}" if slot else "")
                assert together[name][at[row["account"]]].as_py() == pytest.approx(row[metric.name]), name


def test_quantiles_and_distinct_counts_roll_and_compare(store, tmp_path):
    """Of parts of a window only the values are known: what they come to is not what the parts come to.

    Looks at a page took 1, 2, 3, 4 s, two in each of two hours; the day before one of 9 s.
    """
    noon = datetime(2026, 11, 3, 12, tzinfo=UTC)
    store.zones["landing_pages", "pages"] = ZoneInfo("UTC")
    took = {noon: 1, noon + timedelta(minutes=5): 2, noon + timedelta(hours=1): 3}
    took |= {noon + timedelta(hours=1, minutes=5): 4, noon - timedelta(days=1): 9}
    looks = [
        PageCheck(f"https://shop.example/{s % 2}", at, "", "", "", 0, 200, 10, s * 1000)
        for at, s in took.items()
    ]
    store.reply("landing_pages", "pages", looks)
    p95 = load()["load_time_p95"]
    body = p95.path.read_text().replace(p95.sql, "count(distinct page)").replace("seconds\n", "count\n")
    (tmp_path / "pages_seen.sql").write_text(body)
    seen = read_metric(tmp_path / "pages_seen.sql", views())
    assert not seen.additive
    hours = Window(noon, noon + timedelta(hours=2))
    rolled = series(store.warehouse, [p95, seen], hours, step=timedelta(hours=1), rolling=timedelta(hours=2))
    # numpy.quantile([1, 2], 0.95) and ([1, 2, 3, 4], 0.95)
    assert rolled["load_time_p95"].to_pylist() == pytest.approx([1.95, 3.85])
    assert rolled["pages_seen"].to_pylist() == [2, 2]
    day = timedelta(days=1)
    before = [Window(hours.start - n * day, hours.end - n * day) for n in (1, 2)]
    (row,) = answer(
        store.warehouse, Question((p95, seen)), [[hours], [before[0]], [hours, before[0]], [before[1]]], {}
    ).to_pylist()
    named = ("", "__1", "__2", "__3")
    assert [row[f"load_time_p95{n}"] for n in named] == pytest.approx([3.85, 9, 8.0, None])
    assert [row[f"pages_seen{n}"] for n in named] == [2, 1, 2, 0]
