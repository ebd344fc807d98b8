"""Write sandbox/google_reference.json: which fields the Google Ads API lets stand beside each other.

python tools/google_reference.py FIELDS_D_TS    # of the npm package google-ads-api

The API tells this by GoogleAdsFieldService alone, to callers with an account. That package asks it for each
version and writes what it hears as types; what is taken here is the names.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "sandbox" / "google_reference.json"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def main() -> None:
    """Read the package's types and write the reference."""
    declared = re.findall(r"type (\w+) = ([^;]*);", Path(sys.argv[1]).read_text())
    types = {name: re.findall(r'"([^"]+)"', values) for name, values in declared}
    resources = [name.removesuffix("Field") for name in types if name.endswith("Field") and name != "Field"]
    beside: dict[str, list[str]] = {}
    grouped: dict[str, dict[tuple[str, ...], list[str]]] = {
        "metrics": defaultdict(list),
        "segments": defaultdict(list),
    }
    for name in resources:
        resource = _snake(name)
        segments = types.get(f"{name}Segment", [])
        # A resource that splits the rows stands among the segments, without a dot.
        others = {field.partition(".")[0] for field in types[f"{name}Field"]}
        others |= {segment for segment in segments if "." not in segment}
        beside[resource] = sorted(others - {resource})
        for group, names in (("metrics", types.get(f"{name}Metric", [])), ("segments", segments)):
            own = tuple(sorted(n.partition(".")[2] for n in names if n.startswith(f"{group}.")))
            if own:
                grouped[group][own].append(resource)
    reference = {
        "beside": beside,
        **{
            group: [{"of": sorted(of), "names": list(names)} for names, of in sorted(sets.items())]
            for group, sets in grouped.items()
        },
    }
    OUT.write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
