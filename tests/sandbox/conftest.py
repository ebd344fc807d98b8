"""Fixtures of the kits, for every test here."""

from tests.sandbox.google_kit import bundle, fresh, google  # noqa: F401  # fixtures are found by name
