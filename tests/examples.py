"""How many random cases a test looks at: all in `make test`, a part in `make check`, more where it is asked for."""

from __future__ import annotations

import os
from typing import Final

_USUAL: Final = 2000
_WANTED: Final = int(os.environ.get("JOURNEYS_TEST_EXAMPLES", _USUAL))


def examples(usual: int) -> int:
    """Cases for a test that has `usual` of them when JOURNEYS_TEST_EXAMPLES is not set, at least one."""
    return max(1, usual * _WANTED // _USUAL)
