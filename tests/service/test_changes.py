"""A definition changes by approval alone: tried at the file, by proposals, and by the API."""

from __future__ import annotations

import errno
import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from connectors.contract import Window
from metrics import lock, model, proposals
from service import changes, in_force, rules
from service.changes import Changes
from service.in_force import InForce
from service.settings import SettingsError, load
from tests.service.test_api import TOKENS, roles  # noqa: F401  # a fixture
from warehouse.access import Actor, Denied, Role, local
from warehouse.audit import Audit
from warehouse.book import Book

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EMIL = Actor("emil@example.com", Role.EDITOR, proven=True)
ADA = Actor("ada@example.com", Role.ADMIN, proven=True)
CARL = Actor("carl@example.com", Role.ADMIN, proven=True)
VERA = Actor("vera@example.com", Role.VIEWER, proven=True)

METRIC = """-- title:    Value of a click
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- from:     delivery
-- unit:     money
-- better:   higher
-- limits:   As the sources claim it.
-- changes:  1 2026-11-01 first version
sum(conversion_value) / 1e6 / nullif(sum(clicks), 0)
"""
PATH = "metrics/click_value.sql"


def changed(text, body):
    return text.replace("sum(conversion_value) / 1e6 / nullif(sum(clicks), 0)", body)


@pytest.fixture
def team(workspace):
    """A workspace with a locked metric of its own; `force`, `changes`, and what was taken into force."""
    own = workspace.folder / "metrics"
    own.mkdir()
    (own / "click_value.sql").write_text(METRIC)
    model.lock(own)
    workspace.state.mkdir()
    book = Book.open(workspace.state / "book.sqlite", [proposals.CHAPTER])
    used = []
    force = InForce(
        workspace, load(workspace.folder).settings.alerts, book, clock=lambda: NOW, use=used.append
    )
    changes = Changes(workspace, book, None, force, setup=load(workspace.folder), clock=lambda: NOW)

    def again():
        return InForce(workspace, load(workspace.folder).settings.alerts, book, clock=lambda: NOW)

    yield SimpleNamespace(
        folder=workspace.folder, file=own / "click_value.sql", book=book, force=force, changes=changes,
        used=used, again=again,
        sql=lambda: force.now.metrics["click_value"].sql,
    )  # fmt: skip
    book.close()


OLD = METRIC.splitlines()[-1]


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


def proposed(team, body="sum(conversion_value) / 1e6 / nullif(sum(impressions), 0)", by=EMIL):
    return team.changes.propose(PATH, changed(METRIC, body), why="Clicks are bought by the view", by=by)


def test_nothing_is_in_force_before_somebody_else_approves(team):
    made = proposed(team)
    assert team.file.read_text() == METRIC
    assert team.sql() == OLD
    assert "+-- version:  2" in made.diff
    assert "+-- approved: (pending)" in made.diff
    done = team.changes.approve(made.id, by=ADA, comment="Agreed.")
    assert (done.state, done.decided_by, done.comment) == ("applied", "ada@example.com", "Agreed.")
    assert team.sql().endswith("sum(impressions), 0)")
    now = team.force.now.metrics["click_value"]
    assert (now.version, now.approved, str(now.reviewed)) == (2, "ada@example.com", "2026-11-24")
    assert now.changes[0] == "2 2026-11-24 Clicks are bought by the view"
    assert model.check(team.folder / "metrics") == []
    assert proposals.came(team.book)[-1].who == "emil@example.com, approved by ada@example.com"
    said = [(e.actor, e.action) for e in reversed(Audit(team.book).entries())]
    assert said == [("emil@example.com", "proposed"), ("ada@example.com", "approved")]


def test_a_full_disk_leaves_a_proposal_open_and_does_not_stop_a_start(team, monkeypatch):
    made = proposed(team)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(changes, "_put", full)
    with pytest.raises(ValueError, match="No space left on device"):
        team.changes.approve(made.id, by=ADA)
    assert proposals.find(team.book, made.id).state == "open"
    assert team.file.read_text() == METRIC
    monkeypatch.undo()
    assert team.changes.approve(made.id, by=ADA).state == "applied"


@pytest.mark.parametrize(
    ("author", "approver", "why"),
    [
        (ADA, ADA, "somebody else must approve"),
        (ADA, Actor("ADA@example.com", Role.ADMIN, proven=True), "somebody else must approve"),
        (EMIL, EMIL, "needs the role admin"),
        (EMIL, VERA, "needs the role admin"),
        (EMIL, local("Ada"), "nobody vouches"),
        (local("Emil"), ADA, "nobody vouches"),
        (local("Emil"), local("Ada"), "nobody vouches"),
    ],
)
def test_who_may_not_approve(team, author, approver, why):
    made = proposed(team, by=author)
    with pytest.raises(Denied, match=why):
        team.changes.approve(made.id, by=approver)
    assert team.file.read_text() == METRIC
    assert team.sql() == OLD
    assert proposals.find(team.book, made.id).state == "open"
    refused = Audit(team.book).entries(last=1)[0]
    assert (refused.actor, refused.action) == (approver.name, "was refused")


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        (PATH, changed(METRIC, "sum(nothing)"), "nothing"),
        (PATH, changed(METRIC, "avg(conversions / clicks)"), "click_value.sql"),
        (PATH, changed(METRIC, "select 1"), "click_value.sql:"),
        (PATH, changed(METRIC, "(" * 3000 + "sum(clicks)" + ")" * 3000), "nested over 24 levels deep"),
        (PATH, changed(METRIC, "- " * 30 + "sum(clicks)"), "nested over 24 levels deep"),
        (PATH, "hello", "the header has no"),
        (PATH, METRIC, "nothing is changed"),
        ("rules.yaml", "rules: [{id: x}]", "rules.yaml"),
        ("rules.yaml", "rules: [{id: x, keep_firing_for: 99999999999999d}]", "is longer than 3660 days"),
        ("paceline.yaml", "sources: {}", "paceline.yaml"),
        ("dashboards.yaml", "dashboards: [{id: nowhere}]", "dashboards.yaml"),
        ("../elsewhere.sql", METRIC, "cannot be proposed"),
        ("metrics/../../x.sql", METRIC, "cannot be proposed"),
        (".streamlit/secrets.toml", "x", "cannot be proposed"),
        ("metrics/metrics.lock", "{}", "cannot be proposed"),
    ],
)
def test_what_cannot_be_in_force_cannot_be_proposed(team, path, text, why):
    with pytest.raises(ValueError, match=why):
        team.changes.propose(path, text, why="because", by=EMIL)
    assert proposals.read(team.book) == []


def test_a_viewer_proposes_nothing(team):
    with pytest.raises(Denied, match="needs the role editor"):
        proposed(team, by=VERA)


def test_what_was_changed_meanwhile_is_not_overwritten(team):
    made = proposed(team)
    team.file.write_text(METRIC.replace("As the sources claim it.", "Known to be late."))
    with pytest.raises(ValueError, match="was changed since this was proposed"):
        team.changes.approve(made.id, by=ADA)
    assert "Known to be late." in team.file.read_text()


def test_another_file_in_disorder_stops_an_approval(team):
    made = proposed(team)
    (team.folder / "metrics/other.sql").write_text(METRIC)  # nobody has locked it
    with pytest.raises(ValueError, match="mend the workspace's files first"):
        team.changes.approve(made.id, by=ADA)
    assert team.sql() == OLD


def test_a_revert_is_a_proposal_like_any_other(team):
    team.changes.approve(proposed(team).id, by=ADA)
    back = team.changes.revert(1, by=EMIL)
    assert (back.reverts, back.state) == (1, "open")
    team.changes.approve(back.id, by=CARL)
    now = team.force.now.metrics["click_value"]
    assert (now.sql, now.version, now.approved) == (OLD, 3, "carl@example.com")
    with pytest.raises(ValueError, match="was changed again since"):
        team.changes.revert(1, by=EMIL)


def test_a_built_in_metric_is_replaced_and_given_back(team):
    text = team.changes.text("metrics/cpa.sql")
    made = team.changes.propose(
        "metrics/cpa.sql", text.replace("sum(conversions)", "sum(clicks)"), why="a joke", by=EMIL
    )
    team.changes.approve(made.id, by=ADA)
    assert "clicks" in team.force.now.metrics["cpa"].sql
    team.changes.approve(team.changes.revert(made.id, by=EMIL).id, by=ADA)
    assert not (team.folder / "metrics/cpa.sql").exists()
    assert "clicks" not in team.force.now.metrics["cpa"].sql
    assert "cpa" not in json.loads((team.folder / "metrics" / lock.NAME).read_text())


def test_rejected_and_withdrawn_are_over(team):
    first, second = proposed(team), proposed(team, by=ADA)
    team.changes.reject(first.id, by=ADA, comment="No.")
    with pytest.raises(Denied, match="nobody else takes it back"):
        team.changes.withdraw(second.id, by=EMIL)
    refused = Audit(team.book).entries(last=1)[0]
    assert (refused.actor, refused.action, refused.subject) == (EMIL.name, "was refused", "proposal 2")
    team.changes.withdraw(second.id, by=ADA)
    for one in (first, second):
        with pytest.raises(ValueError, match="already"):
            team.changes.approve(one.id, by=CARL)
    assert team.file.read_text() == METRIC


@pytest.mark.parametrize("state", ["rejected", "withdrawn"])
def test_what_is_decided_while_it_is_approved_is_not_written(team, monkeypatch, state):
    made = proposed(team)
    find = proposals.find

    def late(book, number):
        found = find(book, number)
        if found.state == "open":  # somebody else is quicker, after this look at it
            monkeypatch.setattr(proposals, "find", find)
            proposals.closed(team.book, made.id, state, by=CARL if state == "rejected" else EMIL, now=NOW)
        return found

    def check(_):
        monkeypatch.setattr(proposals, "find", late)

    monkeypatch.setattr(changes, "_check", check)
    with pytest.raises(ValueError, match=f"is {state} already"):
        team.changes.approve(made.id, by=ADA)
    assert team.file.read_text() == METRIC
    assert proposals.find(team.book, made.id).state == state
    with pytest.raises(ValueError, match=f"is {state} already"):
        team.changes.reject(made.id, by=ADA)


@pytest.mark.parametrize("written", [(), (PATH,), (PATH, "metrics/metrics.lock")])
def test_a_fall_while_it_is_written_is_made_good(team, written):
    made = proposed(team)
    real = team.changes._write
    team.changes._write = lambda *_: None  # the process falls here
    team.changes.approve(made.id, by=ADA)
    fallen = proposals.find(team.book, made.id)
    assert fallen.state == "applying"
    with team.changes._staged(PATH, fallen.after, "ada@example.com") as folder:
        for path in written:
            (team.folder / path).write_bytes((folder / path).read_bytes())
    team.changes._write = real
    team.changes.recover()
    assert proposals.find(team.book, made.id).state == "applied"
    assert team.sql().endswith("sum(impressions), 0)")
    assert model.check(team.folder / "metrics") == []


def test_it_is_committed_with_its_author_and_its_approver_and_nothing_else(team):
    def git(*words):
        return subprocess.run(
            ["git", "-C", str(team.folder), "-c", "user.name=x", "-c", "user.email=x@example.com", *words],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    git("init", "-q")
    git("add", "paceline.yaml", "metrics")
    git("commit", "-qm", "begin")
    with (team.folder / "paceline.yaml").open("a") as file:
        file.write("# by hand\n")
    done = team.changes.approve(proposed(team).id, by=ADA)
    assert done.revision == git("rev-parse", "HEAD").strip()
    assert (
        git("log", "-1", "--format=%an|%ae|%cn").strip()
        == "emil@example.com|emil@example.com|ada@example.com"
    )
    assert "Approved-by: ada@example.com" in git("log", "-1", "--format=%B")
    assert set(git("show", "--name-only", "--format=").split()) == {PATH, "metrics/metrics.lock"}
    assert "M paceline.yaml" in git("status", "--short")


@pytest.mark.parametrize(
    ("path", "why"), [(None, "--add safe.directory"), ("/nowhere", "there is a repository, and no git")]
)
def test_a_repository_that_cannot_be_used_is_told(team, monkeypatch, caplog, path, why):
    subprocess.run(["git", "init", "-q", str(team.folder)], check=True)
    if path is None:
        real = subprocess.run
        foreign = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
        monkeypatch.setattr(
            subprocess, "run", lambda *words, env, **given: real(*words, env={**env, **foreign}, **given)
        )
    else:
        monkeypatch.setenv("PATH", path)
    done = team.changes.approve(proposed(team).id, by=ADA)
    assert (done.state, done.revision) == ("applied", "")
    assert why in caplog.text


# -- by the API


def test_by_the_api(roles):  # noqa: F811
    client = roles.client

    def ask(role, method, rest, **body):
        headers = {"Authorization": f"Bearer {TOKENS[role]}"}
        kept = {"json": body} if method == "post" else {}
        return getattr(client, method)(f"/api/proposals{rest}", headers=headers, **kept)

    text = changed(METRIC, "sum(clicks)").replace("money", "count")
    assert client.get("/api/proposals").status_code == 401
    said = {"path": PATH, "text": text, "why": "count them"}
    assert ask("viewer", "post", "", **said).status_code == 403
    broken = ask("editor", "post", "", **said | {"text": text.replace("clicks", "nothing")})
    assert (broken.status_code, "nothing" in broken.json()["error"]) == (400, True)
    assert ask("viewer", "get", "").json() == {"proposals": []}

    made = ask("editor", "post", "", **said)
    assert (made.status_code, made.json()["author"], made.json()["state"]) == (201, "token editor", "open")
    for role, code in (("viewer", 403), ("editor", 403), ("admin", 200)):
        assert ask(role, "post", "/1/approve").status_code == code
    assert ask("viewer", "get", "/1").json()["decided_by"] == "token admin"
    assert ask("admin", "post", "/1/approve").status_code == 409
    assert ask("admin", "post", "/9/approve").status_code == 404
    assert ask("admin", "post", "/1/frobnicate").status_code == 404

    own = ask("admin", "post", "/1/revert")
    assert own.json()["state"] == "open"
    refused = ask("admin", "post", "/2/approve")
    assert (refused.status_code, "somebody else" in refused.json()["error"]) == (403, True)
    by_machine = client.post(
        "/api/proposals/2/approve", headers={"Authorization": f"Bearer {roles.token}"}, json={"by": "token x"}
    )
    assert by_machine.status_code == 403
    assert ask("admin", "post", "/2/reject", comment="no").json()["state"] == "rejected"
