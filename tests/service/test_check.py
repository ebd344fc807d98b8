"""`paceline check` looks at the team's metrics too."""

import pytest

from service.commands import check
from service.entrance import Entrance
from service.settings import Settings, Setup
from service.workspace import Workspace


def test_a_broken_metric_is_told_by_file_and_line(tmp_path, capsys):
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "margin.sql").write_text("-- title: Margin\nsum(costs)\n")
    report = check._Report()
    check._metrics(Workspace(tmp_path), report)
    assert report.failed
    assert "margin.sql:" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["", "metrics"])
def test_the_built_in_metrics_are_sound(tmp_path, capsys, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    report = check._Report()
    check._metrics(Workspace(tmp_path), report)
    assert not report.failed, capsys.readouterr()


@pytest.mark.parametrize(
    ("address", "providers", "admin", "failed", "said"),
    [
        ("127.0.0.1", (), (), False, ""),
        ("0.0.0.0", (), (), True, "whoever reaches 0.0.0.0 is an admin"),
        ("", (), (), True, "whoever reaches this machine is an admin"),
        ("0.0.0.0", ("",), ("dana@example.com",), False, "login: 1 provider"),
        ("127.0.0.1", ("",), (), True, "nobody is an admin"),
    ],
)
def test_an_open_door_is_told(capsys, address, providers, admin, failed, said):
    settings = Settings(sources={"fx": None}, server={"address": address}, access={"admin": admin})
    report = check._Report()
    check._login(Setup(settings, {}, {}, Entrance(providers)), report)
    assert report.failed == failed
    assert said in capsys.readouterr().out
