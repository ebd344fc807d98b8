"""A definition changes by approval alone: by proposals, and by the API."""

from __future__ import annotations

import errno
import json
import subprocess

import pytest

from metrics import lock, model, proposals
from service import changes
from tests.service.governed import ADA, CARL, EMIL, METRIC, NOW, OLD, PATH, VERA, changed, proposed
from tests.service.test_api import TOKENS, roles  # noqa: F401  # a fixture
from warehouse.access import Actor, Denied, Role, local
from warehouse.audit import Audit


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
