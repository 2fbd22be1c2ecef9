"""The page over the file of an embedded manager."""

import asyncio
import sqlite3

import pytest

from tests.trainer.store_of_journeys import fill

from .test_views import base_of, cells, figures

pytestmark = pytest.mark.slow
COUNT = 40


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of 40 abandonments, 8 returns and 4 conversions. Comes before the browser: it uses asyncio.run."""
    path = tmp_path_factory.mktemp("store") / "journeys.sqlite3"
    asyncio.run(fill(path, COUNT))
    return path


def test_a_store_is_shown_and_checked(store, page, opened):
    """Its figures, a journey that returned, and the check from the page: of a whole store and of a broken one."""
    address = opened(store.parent, "--store", store.name)
    page.goto(address)
    shown = figures(page)
    assert (shown["abandonments"], shown["came back so far"], shown["conversions"]) == ("40", "8", "4")
    page.goto(f"{base_of(address)}/journeys?view=returned")
    assert len(cells(page, "#list")) == 8
    page.click("#list a")
    assert "nothing had come since" in page.locator("main").inner_text()
    for missing, verdict in ((0, "nothing is missing"), (1, "it differs")):
        page.goto(f"{base_of(address)}/trust")
        page.click("button")
        for _ in range(100):
            page.goto(f"{base_of(address)}/trust")
            if page.locator("#verdict").count():
                break
        assert verdict in page.locator("#verdict").inner_text()
        table = {row[0]: row[1:] for row in cells(page, "#compared")}
        assert table["journey-abandonments"] == [str(COUNT - missing), str(missing), "0", "0"]
        with sqlite3.connect(store) as connection:
            connection.execute(
                "DELETE FROM output WHERE sequence = (SELECT min(sequence) FROM output WHERE kind = 'abandoned')"
            )
