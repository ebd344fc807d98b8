"""The catalogue: every definition that stands somewhere as a file is an entry; and who reads whom.

Nothing is written for the catalogue. An entry is made of what its file says already: a metric's header, a
view's columns, a row type's and a connector's docstrings, a dashboard's entry. Rules come from above
(alerts.catalog). An entry is named as in the audit log: "metric cpa", "rule cost-per-lead".
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

import yaml

from connectors import registry
from connectors.rows import ROWS
from connectors.schema import schema
from metrics.in_words import in_words
from metrics.model import views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connectors.contract import Connector, Stream
    from connectors.schema import Row
    from metrics.dashboards import Dashboard
    from metrics.model import Metric, View

__all__ = ["KINDS", "QUARTER", "Catalog", "Entry", "Kind", "Ref", "base", "entries"]

Kind: TypeAlias = Literal["source", "table", "view", "metric", "rule", "dashboard"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""From where a number enters to where it is seen."""

QUARTER: Final = timedelta(days=91)
"""How long a review holds where nothing else is said."""

_RELATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "delivery_rows": ("view delivery",),
    "completeness": ("table delivery", "table day_totals"),
    "usual_rates": ("view delivery",),
}
"""Relations that a caller of a view computes (metrics.maturity), and what of."""


class Ref(NamedTuple):
    """An entry's name."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @classmethod
    def of(cls, text: str) -> Ref:
        """The reverse of `str`. Raises ValueError for what is no entry's name."""
        kind, _, name = text.partition(" ")
        if kind not in KINDS or not name:
            raise ValueError(f"{text!r} is no entry: write such as 'metric cpa'")
        return cls(kind, name)


@dataclass(frozen=True, slots=True)
class Entry:
    """One definition.

    means: what it is, in words. formula: as it is written, in `language`. how: what is done to the data on
    the way. limits: what not to conclude. reads: what it is made of. reviewed, review: the last and the next
    date. changes: newest first, as `version date what-changed`: by its own log, else what was in force here
    (metrics.history), by which its version is counted, too. parts: its pieces with their
    words: columns, panels, streams. facts: what else its file says. text: by which a change is told.
    """

    ref: Ref
    title: str
    owner: str
    means: str
    text: str
    audience: str = ""
    formula: str = ""
    language: str = ""
    how: str = ""
    limits: str = ""
    version: int | None = None
    approved: str = ""
    reviewed: date | None = None
    review: date | None = None
    every: timedelta = QUARTER
    reads: tuple[Ref, ...] = ()
    changes: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def overdue(self, today: date) -> bool:
        """Whether its review is past its day."""
        return self.review is not None and self.review < today

    @property
    def changed(self) -> str:
        """The newest of its changes, or ""."""
        return self.changes[0] if self.changes else ""

    @property
    def own_log(self) -> bool:
        """Whether its file has a version and a log, as whatever somebody must approve has."""
        return bool(self.approved)


class Catalog:
    """All entries by name, and the ways between them."""

    def __init__(self, listed: Iterable[Entry]) -> None:
        self.entries: dict[Ref, Entry] = {one.ref: one for one in listed}
        self._readers: dict[Ref, list[Ref]] = {}
        for one in self.entries.values():
            for ref in one.reads:
                self._readers.setdefault(ref, []).append(one.ref)

    def reads(self, ref: Ref) -> list[Ref]:
        """What an entry is made of, of what is here."""
        return [one for one in self.entries[ref].reads if one in self.entries]

    def readers(self, ref: Ref) -> list[Ref]:
        """What is made of an entry."""
        return self._readers.get(ref, [])

    def audience(self, ref: Ref) -> str:
        """For whom an entry is: as it says, else whoever the dashboards are for that show it."""
        own = self.entries[ref].audience
        if own or ref.kind == "rule":
            return own or self.entries[ref].owner
        shown = [self.entries[to] for _, to in self._walk(ref, up=False) if to.kind == "dashboard"]
        return "; ".join(dict.fromkeys(one.audience for one in shown))

    def lineage(self, ref: Ref) -> list[tuple[Ref, Ref]]:
        """Every step from the sources to the entry, and from it to what people see, as (from, to)."""
        return sorted({*self._walk(ref, up=True), *self._walk(ref, up=False)}, key=str)

    def _walk(self, start: Ref, *, up: bool) -> Iterator[tuple[Ref, Ref]]:
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            for there in self.reads(here) if up else self.readers(here):
                yield (there, here) if up else (here, there)
                if there not in seen:
                    seen.add(there)
                    waiting.append(there)

    def search(self, asked: str) -> list[Entry]:
        """Entries in which every word of `asked` stands, best first: by name, title, owner, then the rest."""
        whole, wanted = asked.casefold().strip(), asked.casefold().split()
        found = [
            (_place(one, whole, wanted), KINDS[::-1].index(one.ref.kind), one.title, one)
            for one in self.entries.values()
            if all(any(word in text for text in _texts(one)) for word in wanted)
        ]
        return [one for *_, one in sorted(found, key=lambda f: f[:3])]


def _texts(one: Entry) -> tuple[str, ...]:
    """What is searched, by weight."""
    rest = " ".join((one.limits, one.how, one.audience, *one.parts, *one.changes))
    weighed = (one.ref.name, one.title, one.owner, one.means, one.formula, rest)
    return tuple(text.casefold() for text in weighed)


def _place(one: Entry, whole: str, wanted: Sequence[str]) -> int:
    """How well the entry answers: 0 is called so, 1 begins so, 2 has a word for its name, then by where."""
    texts = _texts(one)
    names = texts[:2]
    if whole in names:
        return 0
    if any(name.startswith(whole) for name in names):
        return 1
    if any(word in names for word in wanted):
        return 2
    places = (next(n for n, text in enumerate(texts) if word in text) for word in wanted)
    return 3 + max(places, default=0)


def entries(
    metrics: Mapping[str, Metric], dashboards: Sequence[Dashboard], sources: Iterable[str]
) -> list[Entry]:
    """All but the rules. sources: the names of those that the workspace polls."""
    keeper = next((one.owner for one in dashboards if one.id == "data-health"), "")
    return [
        *(_source(registry.load(name), keeper) for name in sources),
        *(_table(row, keeper) for row in ROWS),
        *(_view(one) for one in views().values()),
        *(_metric(one) for one in metrics.values()),
        *(_dashboard(one, metrics) for one in dashboards),
    ]


def base(text: str | None) -> tuple[str, str]:
    """A docstring's first paragraph, and the rest of it, unwrapped."""
    first, _, rest = inspect.cleandoc(text or "").partition("\n\n")
    return " ".join(first.split()), rest.strip()


def _source(kind: type[Connector], keeper: str) -> Entry:
    module = inspect.getmodule(kind)
    means, how = base((module.__doc__ if module else "") or kind.__doc__)
    streams = {stream.name: _stream(kind, stream) for stream in kind.streams()}
    return Entry(
        Ref("source", kind.name),
        kind.title,
        keeper,
        means,
        yaml.safe_dump(streams, sort_keys=False),
        how=how,
        parts=streams,
    )


def _stream(kind: type[Connector], stream: Stream) -> str:
    """What it brings, how often it is asked, how late it is and how far back it may change."""
    said = base(getattr(kind, stream.name).__doc__)[0]
    restate = stream.restate
    back = ""
    if isinstance(restate, str):
        back = "; its past may change as far back as the account's conversions may be late"
    elif restate:
        back = f"; its past may change for {_span(restate)}"
    late = f", vouched for after {_span(stream.lag)}" if stream.lag else ""
    return f"{said} Asked every {_span(stream.every)}{late}{back}. Stored as `{stream.row.table}`."


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0 and minutes >= size:
            many = minutes // size
            return f"{many} {unit}s" if many != 1 else unit if unit != "minute" else "minute"
    return f"{minutes} minutes"


def _table(row: type[Row], keeper: str) -> Entry:
    means, how = base(row.__doc__)
    columns = {
        f.name: str(f.type)
        + (", may be unknown" if f.nullable else "")
        + (", key" if f.name in row.key else "")
        for f in schema(row)
    }
    bringing = [
        Ref("source", kind.name)
        for kind in _connectors()
        if any(stream.row.table == row.table for stream in kind.streams())
    ]
    kinds = {
        "fact": "Measures; every restatement is kept in the ledger.",
        "attribute": "How things are set up; its history is kept.",
        "event": "Occurrences, written once.",
    }
    return Entry(
        Ref("table", row.table),
        row.table.replace("_", " ").capitalize(),
        keeper,
        means,
        yaml.safe_dump(columns, sort_keys=False),
        how=f"{kinds[row.kind]}\n\n{how}".strip(),
        reads=tuple(bringing),
        parts=columns,
        facts={"Kind": row.kind, "Key": ", ".join(("source", "account", *row.key))},
    )


def _connectors() -> Iterator[type[Connector]]:
    for name in registry.connectors():
        try:
            yield registry.load(name)
        except registry.BrokenSource:
            continue  # told where it is polled; the catalogue shows what can be read


def _view(view: View) -> Entry:
    refs = dict.fromkeys(
        Ref.of(text)
        for name in view.reads
        for text in _RELATIONS.get(name, (f"table {name.removesuffix('_ledger')}",))
    )
    return Entry(
        Ref("view", view.name),
        view.title,
        view.owner,
        f"{view.title}, one row a {view.grain}.",
        view.sql,
        formula=view.sql,
        language="sql",
        limits=view.limits,
        version=view.version,
        approved=view.approved,
        reviewed=view.reviewed,
        review=view.reviewed + QUARTER,
        reads=tuple(refs),
        changes=view.changes,
        parts={column.name: f"{column.text} ({column.kind})" for column in view.columns.values()},
    )


def _metric(metric: Metric) -> Entry:
    view = metric.view
    better = {"higher": "Higher is better.", "lower": "Lower is better."}.get(metric.better, "")
    return Entry(
        Ref("metric", metric.name),
        metric.title,
        metric.owner,
        f"{in_words(metric)}. {better}".strip(),
        metric.sql,
        formula=metric.sql,
        language="sql",
        how=f"Read from {view.title[:1].lower()}{view.title[1:]}."
        + (f" {view.limits}" if view.limits else ""),
        limits=metric.limits,
        version=metric.version,
        approved=metric.approved,
        reviewed=metric.reviewed,
        review=metric.reviewed + QUARTER,
        reads=(Ref("view", view.name),),
        changes=metric.changes,
        parts={name: view.columns[name].text for name in sorted(metric.parts.columns)},
        facts={"Unit": metric.unit, "Better": metric.better},
    )


def _dashboard(one: Dashboard, metrics: Mapping[str, Metric]) -> Entry:
    reach = one.open_to
    who = [*(f"{role}s" for role in reach.roles), *reach.groups, *reach.people]
    return Entry(
        Ref("dashboard", one.id),
        one.title,
        one.owner,
        one.purpose,
        yaml.safe_dump(one.model_dump(mode="json", exclude_defaults=True), sort_keys=False),
        audience=one.audience,
        review=one.review,
        every=one.every,
        reads=(*(Ref("metric", name) for name in one.metrics), *map(Ref.of, one.reads)),
        parts={
            panel: "; ".join(metrics[name].title if name in metrics else name for name in names)
            for panel, names in one.panels.items()
        },
        facts={"Section": one.section, "Open to": ", ".join(who) or "everybody"},
    )
