"""Write docs/reference/: a page each for sources, transformations and limits, of what the definitions say.

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

PAGES: dict[str, tuple[str, str, tuple[Kind, ...]]] = {
    "sources": (
        "Sources",
        "What each source brings, how often, how late; the tables of [the warehouse](../warehouse.md).",
        ("source", "table"),
    ),
    "transformations": (
        "Transformations",
        "What is done to the rows, and what numbers are made of ([write a metric](../write-a-metric.md)).",
        ("view", "metric"),
    ),
    "limits": ("Limits of the numbers", "What not to conclude from each ([known limits](../limits.md)).", ()),
}


def pages() -> dict[str, str]:
    """Each page's text by its name in docs/reference/."""
    metrics = model.load()
    watched = rules.load(ROOT / "nowhere", Routing(), metrics)
    known = whole(metrics, shipped(), registry.connectors(), watched)
    lines = [f"- [{title}]({name}.md): {about}" for name, (title, about, _) in PAGES.items()]
    head = (
        "# Reference\nMade of the definitions by `tools/reference.py`; the app's Catalogue has the same of "
        "your workspace.\n"
    )
    found = {"README.md": f"{head}\n" + "\n".join(lines) + "\n"}
    for name, (title, about, kinds) in PAGES.items():
        parts = [section(known, one) for kind in kinds for one in _all(known, kind)] or [limits(known)]
        found[f"{name}.md"] = f"# {title}\n{about}\n\n" + "\n".join(parts)
    return found


def _all(known: Catalog, kind: Kind) -> list[Entry]:
    return sorted((one for one in known.entries.values() if one.ref.kind == kind), key=lambda e: e.ref.name)


def limits(known: Catalog) -> str:
    """A line for each metric and view."""
    listed = [one for kind in ("metric", "view") for one in _all(known, kind)]  # type: ignore[arg-type]  # two of Kind
    return (
        "\n".join(f"- **{one.title}** (`{one.ref.name}`): {one.limits}" for one in listed if one.limits)
        + "\n"
    )


def section(known: Catalog, one: Entry) -> str:
    """One entry."""
    parts = [f"## {one.title}", f"`{one.ref.name}`. {one.means}"]
    if one.formula and one.ref.kind == "metric":
        parts.append(f"```sql\n{one.formula}\n```")
    if one.limits:
        parts.append(f"**Limits.** {one.limits}")
    if one.how and one.ref.kind in ("source", "table"):
        parts.append(one.how)
    if one.parts and one.ref.kind != "metric":
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
