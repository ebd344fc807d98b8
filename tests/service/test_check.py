"""`paceline check` looks at the team's metrics too."""

import pytest

from service.commands import check
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
