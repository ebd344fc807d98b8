from datetime import UTC, datetime

import pytest

pytest.register_assert_rewrite("tests.contract.suite")

from tests.contract.sandbox import running  # noqa: E402

NOW = datetime(2026, 11, 5, 18, 30, tzinfo=UTC)
"""Days after clocks went back, in Europe (25 October) and in America (1 November)."""


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory):
    with running(tmp_path_factory.mktemp("sandbox"), now=NOW, days=250) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process):
    """The sandbox, calm and at NOW."""
    sandbox_process.calm()
    sandbox_process.now = NOW
    return sandbox_process
