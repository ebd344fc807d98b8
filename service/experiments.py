"""`experiments.yaml`: the A/B tests that the team runs by itself, beside those of the platforms.

A test is written down before it starts: what is compared, by which metric, how small an effect would still
matter, and when it ends. As with the settings, every fault is told at once, with its line and its column.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError

from connectors.part import Part
from connectors.units import Share
from metrics.experiments import METRICS, Group, Test
from metrics.page_arms import METRIC
from service.faults import explain, nearest
from service.marks import read
from service.settings import SettingsError

__all__ = ["FILE", "Arm", "Experiment", "load"]

FILE = "experiments.yaml"


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _metric(value: object) -> object:
    if value not in METRICS:
        raise ValueError(
            f"is no metric of a test{nearest(str(value), METRICS)}; there are {', '.join(METRICS)}"
        )
    return value


Metric = Annotated[str, BeforeValidator(_metric)]


class Arm(Part):
    """An arm: the campaigns whose names or ids match, or the landing pages whose paths do.

    share: of the traffic, where something splits it.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    campaigns: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    pages: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    share: Share | None = None


class Experiment(Part):
    """A test; its first arm is the control.

    minimum_effect: the smallest relative difference worth having, as in 10%. guardrails: metrics that must
    not get worse. alpha: how often a winner among equals may be declared, over the whole test.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    hypothesis: str = ""
    owner: str
    metric: Metric = "conversion_rate"
    minimum_effect: Share = 0.1
    starts: date
    ends: date
    arms: Annotated[list[Arm], Field(min_length=2, max_length=6)]
    guardrails: list[Metric] = Field(default_factory=list)
    alpha: Annotated[float, Field(ge=0.001, le=0.2)] = 0.05


def load(folder: Path) -> tuple[Test, ...]:
    """The workspace's tests; none where there is no file. Raises SettingsError with every fault at once."""
    path = folder / FILE
    if not path.exists():
        return ()
    marked = read(path)
    listed = marked.data.get("experiments") if isinstance(marked.data, dict) else None
    problems = list(marked.problems)
    if not isinstance(listed, list):
        if not problems:
            problems.append(marked.problem((), "begins with `experiments:` and a list of tests"))
        raise SettingsError(problems)
    found: list[Test] = []
    for index, written in enumerate(listed):
        try:
            test = Experiment.model_validate(written)
        except ValidationError as error:
            problems += explain(marked, error, Experiment, ("experiments", index))
            continue
        faults = _faults(test, found)
        problems += [marked.problem(("experiments", index, key), said) for key, said in faults]
        found.append(_test(test))
    if problems:
        raise SettingsError(problems)
    return tuple(found)


def _faults(test: Experiment, before: Sequence[Test]) -> list[tuple[str, str]]:
    found = []
    if any(other.id == test.id for other in before):
        found.append(("id", f"{test.id!r} is another test's id"))
    if test.ends < test.starts:
        found.append(("ends", f"the test would end before it starts, on {test.starts}"))
    by_page = [bool(arm.pages) for arm in test.arms]
    if any(bool(arm.campaigns) == bool(arm.pages) for arm in test.arms) or len(set(by_page)) > 1:
        found.append(("arms", "every arm has campaigns, or every arm has pages"))
    elif by_page[0] and (test.metric != METRIC or test.guardrails):
        found.append(("metric", f"a test of pages is about {METRIC}, without guardrails"))
    elif not by_page[0] and METRIC in (test.metric, *test.guardrails):
        found.append(("metric", f"{METRIC} is for tests of pages"))
    shares = [arm.share for arm in test.arms]
    if any(share is not None for share in shares):
        if None in shares:
            found.append(("arms", "either every arm has a share of the traffic, or none"))
        elif abs(sum(share for share in shares if share) - 1) > 1e-6:
            found.append(("arms", "the arms' shares add up to 100 %"))
    return found


def _test(written: Experiment) -> Test:
    return Test(
        id=written.id,
        title=written.title,
        source="",
        arms=tuple(
            Group(arm.name, arm.share, patterns=arm.campaigns, pages=arm.pages) for arm in written.arms
        ),
        starts=written.starts,
        ends=written.ends,
        metric=written.metric,
        hypothesis=written.hypothesis,
        owner=written.owner,
        minimum_effect=written.minimum_effect,
        guardrails=tuple(written.guardrails),
        alpha=written.alpha,
    )
