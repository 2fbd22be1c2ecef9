"""Links of the pages lead somewhere."""

import pytest

from .pages import PAGES, anchors, links, name_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    """To a file or folder that is there, and to a heading where an anchor is given."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: no such file: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)}: no such heading: {link}"


def test_links_are_found():
    """The test above looks at many."""
    assert sum(len(links(page)) for page in PAGES) > 200
