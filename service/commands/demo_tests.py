"""The demo's own A/B tests, which have been under way for a while."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from service import experiments

__all__ = ["write"]


def write(folder: Path, today: date) -> None:
    """Write `experiments.yaml`: one test to go on with, one with an answer, one whose split is off."""

    def test(ago: int, ahead: int, **told: Any) -> dict[str, Any]:
        span = {"starts": today - timedelta(days=ago), "ends": today + timedelta(days=ahead)}
        return {"owner": "performance-team", **told, **span}

    tests = [
        test(
            12,
            16,
            id="broad-match",
            title="Broad match against phrase match",
            hypothesis="Broad match finds leads at the same conversion rate.",
            arms=[
                {"name": "Phrase", "campaigns": "US | Search | Generic | Phrase"},
                {"name": "Broad", "campaigns": "US | Search | Generic | Broad test"},
            ],
        ),
        test(
            20,
            8,
            id="retargeting",
            title="Retargeting against prospecting",
            hypothesis="Who knows the shop converts better by half.",
            minimum_effect="50%",
            arms=[
                {"name": "Prospecting", "campaigns": "JP | Demand Gen | Prospecting"},
                {"name": "Retargeting", "campaigns": "JP | Display | Retargeting"},
            ],
        ),
        test(
            9,
            12,
            id="landing-page",
            title="Which range to land on",
            hypothesis="Visitors who land on lamps buy more often.",
            metric="session_conversion_rate",
            arms=[
                {"name": "Oak tables", "pages": "www.harborandpine.example/us/oak-tables", "share": "70%"},
                {"name": "Floor lamps", "pages": "www.harborandpine.example/us/floor-lamps", "share": "30%"},
            ],
        ),
    ]
    text = "# Written anew at each start of the demo.\n" + yaml.safe_dump(
        {"experiments": tests}, sort_keys=False
    )
    (folder / experiments.FILE).write_text(text, encoding="utf-8")
