"""Definitions in force are those that are whole and approved, whatever stands in the files: the last good state else."""

from __future__ import annotations

import errno
import time
from datetime import timedelta

import pytest

from connectors.contract import Window
from metrics import lock, model, proposals
from service import in_force, rules
from service.settings import SettingsError
from tests.service.governed import ADA, METRIC, NOW, OLD, changed, proposed
from warehouse.audit import Audit

# -- at the file


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changed(METRIC, "sum(conversion_value) / 1e6"), "the meaning changed and the version is still 1"),
        (changed(METRIC, "sum(conversion_value) / 1e6").replace("version:  1", "version:  2").replace("  1 2026", "  2 2026"), "is newer than the lock"),
        (changed(METRIC, "sum(conversion_value / "), "not one aggregate expression"),
        (changed(METRIC, "sum(nothing)"), "nothing"),
        (changed(METRIC, "(" * 3000 + "sum(clicks)" + ")" * 3000), "nested over 24 levels deep"),
        (METRIC.replace("head-of-marketing", "performance-team"), "author and approver must differ"),
        ("", "the header has no"),
    ],
)  # fmt: skip
def test_a_file_that_was_changed_past_approval_is_not_in_force(team, text, why):
    team.file.write_text(text)
    team.force.look()
    assert team.sql() == OLD
    assert why in "\n".join(team.force.problems)
    # nor after a restart
    again = team.again()
    assert again.now.metrics["click_value"].sql == OLD
    assert why in "\n".join(again.problems)
    # and the last good state is left by mending the file alone
    team.file.write_text(METRIC)
    team.force.look()
    assert (team.sql(), team.force.problems) == (OLD, ())


def test_a_broken_rule_keeps_all_of_the_last_good_state(team):
    before = len(team.force.now.rules)
    (team.folder / "rules.yaml").write_text("rules: [{id: x}]\n")
    team.force.look()
    assert len(team.force.now.rules) == before
    assert any("rules.yaml:1" in problem for problem in team.force.problems)


@pytest.mark.parametrize("text", ["[1]", '{"click_value": 1}', '{"click_value": {"hash": ""}}'])
def test_a_lock_that_is_none_is_refused_and_told(team, text):
    (team.folder / "metrics" / lock.NAME).write_text(text)
    team.force.look()
    assert "metrics/metrics.lock:1:1: is no lock" in "\n".join(team.force.problems)
    with pytest.raises(ValueError, match=r"metrics\.lock:1:1: is no lock"):
        proposed(team)


def test_what_nobody_foresaw_is_refused_and_told(team, monkeypatch):
    made = proposed(team)

    def broken(*_):
        raise RecursionError("too deep")

    monkeypatch.setattr(rules, "load", broken)
    team.file.write_text(METRIC + "\n")
    team.force.look()
    assert "cannot be read: RecursionError: too deep" in "\n".join(team.force.problems)
    assert team.sql() == OLD
    with pytest.raises(ValueError, match="RecursionError"):
        proposed(team)
    team.file.write_text(METRIC)
    with pytest.raises(ValueError, match="RecursionError"):
        team.changes.approve(made.id, by=ADA)


CLOSED = "dashboards: [{id: revenue, owner: dana, open_to: {groups: [finance]}}, %s]\n"
BRAND = (
    "{id: brand, title: Brand, owner: dana, audience: All, purpose: Reach., review: 2027-02-01, page: brand}"
)


def staffed(team, *people):
    """The team's people, and its page of its own; what is in force after a start with them."""
    names = "".join(f"  - {{name: {one}, email: {one}@example.com}}\n" for one in people)
    with (team.folder / "paceline.yaml").open("a") as file:
        file.write(f"alerts:\n  people:\n{names}")
    (team.folder / "panels").mkdir()
    (team.folder / "panels/brand.py").touch()
    (team.folder / "dashboards.yaml").write_text(CLOSED % BRAND)
    return team.again()


def test_dashboards_are_in_force_with_all_else_or_not_at_all(team):
    force = staffed(team, "dana")
    assert [one.id for one in force.now.dashboards][-1] == "brand"
    file = team.folder / "dashboards.yaml"
    file.write_text(CLOSED % BRAND.replace("dana", "dan"))
    text = METRIC.replace("title:    Value of a click", "title:    What a click is worth")
    team.file.write_text(text)
    force.look()
    assert "dashboards.yaml:1:" in force.problems[0]
    assert "'dan' is none of alerts.people, did you mean 'dana'?" in force.problems[0]
    assert force.now.metrics["click_value"].title == "Value of a click"
    again = team.again()
    assert [one.id for one in again.now.dashboards][-1] == "brand"
    assert len(again.problems) == 1
    file.write_text(CLOSED % BRAND.replace("title: Brand", "title: Brands"))
    again.look()
    assert (again.now.dashboards[-1].title, again.problems) == ("Brands", ())
    assert again.now.metrics["click_value"].title == "What a click is worth"


def test_a_page_that_comes_after_its_entry_is_found(team):
    (team.folder / "dashboards.yaml").write_text(f"dashboards: [{BRAND}]\n")
    team.force.look()
    assert "there is no page brand.py" in team.force.problems[0]
    (team.folder / "panels").mkdir()
    (team.folder / "panels/brand.py").touch()
    team.force.look()
    assert team.force.problems == ()
    assert team.force.now.dashboards[-1].id == "brand"


def test_who_leaves_the_team_opens_no_page(team):
    """Nothing new holds without an owner; what was closed stays closed, and a page that is gone is left out."""
    staffed(team, "dana")
    settings = team.folder / "paceline.yaml"
    settings.write_text(settings.read_text().replace("dana", "erin"))
    (team.folder / "panels/brand.py").unlink()
    again = team.again()
    revenue = next(one for one in again.now.dashboards if one.id == "revenue")
    assert revenue.open_to.groups == ("finance",)
    assert again.now.dashboards[-1].id != "brand"
    assert "'dana' is none of alerts.people" in again.problems[0]


def test_what_keeps_the_files_from_being_followed_is_told_and_tried_again(team, monkeypatch):

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(in_force, "EVERY", 0.01)
    monkeypatch.setattr(in_force, "write_private", full)
    reviewed_in_git(team)
    team.force.start()
    wait_for(lambda: team.force.problems)
    assert "files cannot be followed: OSError: [Errno 28] No space left" in team.force.problems[0]
    monkeypatch.undo()
    wait_for(lambda: not team.force.problems)
    team.force.stop()
    assert team.sql().endswith("sum(impressions), 0)")
    assert [one.name for one in proposals.came(team.book)] == ["click_value"]  # once, however often tried


def test_a_workspace_that_never_was_good_does_not_start(team):
    (team.folder / ".paceline/in-force/definitions.json").unlink()
    team.file.write_text(changed(METRIC, "sum(nothing)"))
    with pytest.raises(SettingsError, match=r"metrics/click_value.sql:11"):
        team.again()


def reviewed_in_git(team):
    """The metric by impressions, as a review in git leaves it."""
    text = changed(METRIC, "sum(conversion_value) / 1e6 / nullif(sum(impressions), 0)")
    text = text.replace("version:  1", "version:  2").replace(
        "-- changes:", "-- changes:  2 2026-11-24 by impressions\n-- changes:"
    )
    team.file.write_text(text)
    model.lock(team.folder / "metrics")


def wait_for(what):
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_file_that_git_review_approved_takes_force_without_a_restart(team):
    reviewed_in_git(team)
    team.force.look()
    assert team.sql().endswith("sum(impressions), 0)")
    assert team.used[-1] is team.force.now
    (came,) = proposals.came(team.book, Window(NOW, NOW + timedelta(seconds=1)))
    assert (came.kind, came.name, came.who) == ("metric", "click_value", "")
    (logged,) = Audit(team.book).entries(subject="metric click_value")
    assert (logged.actor, logged.action) == ("the workspace's files", "changed")
    assert logged.detail == {"what": came.what}
    assert came.what == "Value of a click is version 2 now: by impressions"


def test_the_mark_is_there_before_anybody_is_told_and_once(team, monkeypatch):
    seen = []

    def use(_):
        seen.append([one.name for one in proposals.came(team.book)])
        if len(seen) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(team.force, "use", use)
    reviewed_in_git(team)
    with pytest.raises(OSError, match="No space"):
        team.force.look()
    team.force.look()
    assert seen == [["click_value"], ["click_value"]]
    assert len(Audit(team.book).entries(subject="metric click_value")) == 1


def test_a_mark_whose_log_fails_is_taken_back_and_comes_once(team, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(Audit, "record", lambda *_, **__: 1 / 0)
        reviewed_in_git(team)
        with pytest.raises(ZeroDivisionError):
            team.force.look()
        assert (proposals.came(team.book), team.sql()) == ([], OLD)
    team.force.look()
    assert [one.name for one in proposals.came(team.book)] == ["click_value"]
    assert len(Audit(team.book).entries(subject="metric click_value")) == 1


def test_a_dashboard_that_changed_at_the_file_is_logged(team):
    def logged(of):
        return [one.detail["what"] for one in reversed(Audit(team.book).entries(subject=f"dashboard {of}"))]

    force = staffed(team, "dana")  # a start: what changed meanwhile is told, too
    assert logged("brand") == ["Brand is new, open to everybody"]
    assert logged("revenue") == [
        "Revenue was changed: owner, open_to; it is open to finance, and was open to everybody"
    ]
    file = team.folder / "dashboards.yaml"
    file.write_text((CLOSED % BRAND).replace(", open_to: {groups: [finance]}", ""))
    force.look()
    assert logged("revenue")[1:] == [
        "Revenue was changed: open_to; it is open to everybody, and was open to finance"
    ]
    file.unlink()
    (team.folder / "panels/brand.py").unlink()
    team.again()
    assert logged("brand")[1:] == ["Brand is gone"]
    assert logged("revenue")[2:] == ["Revenue was changed: owner"]
    assert proposals.came(team.book) == []  # no figure moved: the charts have no mark


# -- by proposal
