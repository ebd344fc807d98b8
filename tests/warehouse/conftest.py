import pytest

from warehouse.duck import DuckWarehouse


@pytest.fixture
def warehouse(tmp_path):
    with DuckWarehouse.open(tmp_path / "paceline.duckdb", min_free=0) as opened:
        yield opened
