"""One aggregate of an expression as SQL: over some rows, over parts of a window, over the parts together."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Aggregate"]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate call of an expression.

    function: sum, count, min, max; distinct (how many different values) or quantile_cont, of which parts of
    a window are known by their values alone. inner: what it aggregates, "*" for count(*). condition: its
    FILTER. at: of a quantile, which.
    """

    function: str
    inner: str
    condition: str = ""
    at: str = ""

    @property
    def rolls(self) -> str:
        """The function that adds up parts of this one: counts and sums by sum, extremes by themselves."""
        return {"count": "sum", "distinct": "list", "quantile_cont": "list"}.get(self.function, self.function)

    def part(self, condition: str = "") -> str:
        """The SQL of a part: what it gives over some of the rows, where a further condition holds."""
        call = {"distinct": f"list(DISTINCT {self.inner})", "quantile_cont": f"list({self.inner})"}.get(
            self.function, f"{self.function}({self.inner})"
        )
        kept = " AND ".join(f"({c})" for c in (self.condition, condition) if c)
        return f"{call} FILTER (WHERE {kept})" if kept else call

    def whole(self, column: str, over: str) -> str:
        """The SQL that makes one part of the parts in a column. over: an OVER or a FILTER."""
        call = f"{self.rolls}({column}) {over}"
        return f"flatten({call})" if self.rolls == "list" else call

    def value(self, part: str) -> str:
        """The SQL of its value, of a part: 0 for a sum or count of nothing."""
        match self.function:
            case "distinct":
                return f"coalesce(len(list_distinct({part})), 0)"
            case "quantile_cont":
                return f"list_aggregate({part}, 'quantile_cont', {self.at})"
            case "min" | "max":
                return part
        return f"coalesce({part}, 0)"

    def known(self, value: str) -> str:
        """The SQL of its value where a group may be missing altogether."""
        return value if self.function in {"min", "max", "quantile_cont"} else f"coalesce({value}, 0)"
