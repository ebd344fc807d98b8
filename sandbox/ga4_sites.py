"""The advertisers' sites as Google Analytics knows them: a property each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sandbox import noise

if TYPE_CHECKING:
    from sandbox.world import World
    from sandbox.world_catalog import AccountSetup

__all__ = ["Property", "properties"]


@dataclass(frozen=True, slots=True)
class Property:
    """A site as Google Analytics knows it. positions: of the accounts whose ads lead there.

    signals: whether small rows are withheld, so that nobody is told apart.
    """

    id: int
    name: str
    host: str
    currency: str
    timezone: ZoneInfo
    goal: str
    positions: tuple[int, ...]
    signals: bool


def properties(world: World) -> list[Property]:
    """One for each site; where there are several, small rows of the last one's reports are withheld."""
    sites: dict[str, list[AccountSetup]] = {}
    for setup in world.setups():
        sites.setdefault(setup.brand.domain, []).append(setup)
    found = []
    for n, (domain, setups) in enumerate(sites.items()):
        brand = setups[0].brand
        found.append(
            Property(
                id=300_000_000 + noise.key(world.seed, "property", n) % 90_000 * 1000 + n,
                name=f"www.{domain}.example",
                host=f"www.{domain}.example",
                currency=brand.currency,
                timezone=ZoneInfo(brand.timezone),
                goal=brand.goal,
                positions=tuple(s.position for s in setups),
                signals=len(sites) > 1 and n == len(sites) - 1,
            )
        )
    return found
