"""The shipped dashboards: each has its page, and shows no metric that there is not, or that its page never asks."""

import ast
from pathlib import Path

import pytest

from metrics import model
from metrics.dashboards import shipped

PANELS = Path(__file__).resolve().parents[2] / "panels"
FRAME = {"main.py"}


def test_every_page_has_its_entry():
    pages = {path.name for path in PANELS.glob("[a-z]*.py")} - FRAME
    assert {one.file for one in shipped()} == pages


def asked(module: str, seen: set[str]) -> set[str]:
    """Every text in a page's source, and in that of what it is made of."""
    if module in seen:
        return set()
    seen.add(module)
    path = PANELS.parent.joinpath(*module.split(".")).with_suffix(".py")
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text())
    found = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(("panels", "metrics")):
            found |= asked(node.module, seen)
            for name in node.names:
                found |= asked(f"{node.module}.{name.name}", seen)
    return found


@pytest.mark.parametrize("one", shipped(), ids=lambda one: one.id)
def test_a_dashboard_names_metrics_that_its_page_knows(one):
    assert set(one.metrics) <= set(model.load())
    texts = asked(f"panels.{one.file.removesuffix('.py')}", {"panels._facts"})
    assert set(one.metrics) - texts == set()
