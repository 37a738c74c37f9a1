"""One test a point, one after the other; a boosted fit uses every core."""

import pytest
import work

from conftest import SCORED


@pytest.fixture(scope="module")
def rows():
    return work.rows()


@pytest.mark.parametrize("point", work.points(), ids=str)
def test_point(rows, point):
    SCORED.append((point, work.score(point, rows, threads=work.WORKERS)))
