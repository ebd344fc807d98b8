"""KPIs: each a file, all computed in one pass."""
