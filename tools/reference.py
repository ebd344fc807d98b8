"""Write docs/reference/: a page each for sources, tables, views, metrics and rules, of what their files say.

python tools/reference.py            # after a definition or a docstring changed; a test compares
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from alerts.catalog import whole  # noqa: E402  # the rooms lie beside this folder
from alerts.routes import Routing  # noqa: E402
from connectors import registry  # noqa: E402
from metrics import model  # noqa: E402
from metrics.catalog import Catalog, Entry, Kind  # noqa: E402
from metrics.dashboards import shipped  # noqa: E402
from service import rules  # noqa: E402

PAGES: dict[Kind, tuple[str, str]] = {
    "source": ("Sources", "What each source brings, how often it is asked, how late it is."),
    "table": (
        "Tables",
        "What the warehouse holds; `paceline query` asks it ([the warehouse](../warehouse.md)).",
    ),
    "view": ("Views", "What is done to the tables' rows before a metric reads them."),
    "metric": ("Metrics", "What each number means, and what not to conclude from it."),
    "rule": ("Rules", "What is watched as Paceline comes ([write a rule](../write-a-rule.md))."),
    "dashboard": ("Dashboards", "The app's pages ([the catalogue](../catalogue.md))."),
}


def pages() -> dict[str, str]:
    """Each page's text by its name in docs/reference/."""
    metrics = model.load()
    known = whole(metrics, shipped(), registry.connectors(), rules.load(ROOT / "nowhere", Routing(), metrics))
    found = {f"{kind}s.md": page(known, kind) for kind in PAGES}
    lines = [f"- [{title}]({kind}s.md): {about}" for kind, (title, about) in PAGES.items()]
    head = (
        "# Reference\nMade of the definitions by `tools/reference.py`; the app's Catalogue has the same of "
        "your workspace.\n"
    )
    return {"README.md": f"{head}\n" + "\n".join(lines) + "\n", **found}


def page(known: Catalog, kind: Kind) -> str:
    """All entries of a kind."""
    title, about = PAGES[kind]
    entries = sorted(
        (one for one in known.entries.values() if one.ref.kind == kind), key=lambda e: e.ref.name
    )
    return f"# {title}\n{about}\n\n" + "\n".join(section(known, one) for one in entries)


def section(known: Catalog, one: Entry) -> str:
    """One entry."""
    parts = [f"## {one.title}", f"`{one.ref.name}`. {one.means}"]
    if one.formula and one.ref.kind == "metric":
        parts.append(f"```sql\n{one.formula}\n```")
    if one.limits:
        parts.append(f"**Limits.** {one.limits}")
    if one.how and one.ref.kind in ("source", "table", "rule"):
        parts.append(one.how)
    if one.parts and one.ref.kind in ("source", "table", "view", "dashboard"):
        parts.append("\n".join(f"- `{name}`: {text}".rstrip(": ") for name, text in one.parts.items()))
    facts = [f"{name}: {value}" for name, value in one.facts.items() if value]
    for word, refs in (("Made of", known.reads(one.ref)), ("Used by", known.readers(one.ref))):
        if refs:
            facts.append(f"{word}: " + ", ".join(f"{ref.kind} `{ref.name}`" for ref in sorted(refs)))
    if one.version is not None:
        facts.append(f"Version {one.changes[0] if one.changes else one.version}; owner {one.owner}")
    parts += facts
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write them."""
    folder = ROOT / "docs" / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
