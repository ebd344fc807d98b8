"""The documents keep up with the code: links lead somewhere, commands and settings are told."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from service.cli import app
from service.settings import Polling, Server, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)\s#]+)")
ROOMS = ("connectors", "warehouse", "metrics", "panels", "service", "sandbox")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_every_page_that_code_names_exists() -> None:
    named = {
        (str(path.relative_to(ROOT)), name)
        for room in (*ROOMS, "workspace")
        for path in (ROOT / room).rglob("*")
        if path.suffix in (".py", ".yaml", ".sql")
        for name in re.findall(r"docs/[\w/-]+\.md", path.read_text())
    }
    assert {(where, name) for where, name in named if not (ROOT / name).exists()} == set()


def test_every_command_is_told() -> None:
    told = "\n".join(page.read_text() for page in PAGES)
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group, as every typer app of many
    assert [name for name in commands if f"paceline {name}" not in told] == []


def test_every_setting_is_told() -> None:
    told = (ROOT / "docs" / "operate.md").read_text() + (
        ROOT / "docs" / "connect-real-accounts.md"
    ).read_text()
    fields = [*Settings.model_fields, *Polling.model_fields, *Server.model_fields]
    assert [name for name in fields if not re.search(rf"\b{name}\b", told)] == []


def test_the_product_speaks_of_itself_alone() -> None:
    words = re.compile(r"/work/|\bissue #?\d|\bClaude\b|\bChatGPT\b", re.IGNORECASE)
    files = [
        p for p in ROOT.rglob("*") if p.suffix in (".py", ".md", ".yaml", ".sql", ".toml") and p.is_file()
    ]
    own = [p for p in files if not {".venv", ".venv-bench", ".git", ".paceline"} & set(p.parts)]
    assert [
        str(p.relative_to(ROOT)) for p in own if p.name != "test_docs.py" and words.search(p.read_text())
    ] == []
