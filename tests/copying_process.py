"""A process of its own that keeps a local copy, to be killed or to run out of disk."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHILD = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from time import time
from local_copies import begun, journey
store = begun(Path({folder!r}))
"""
WRITE_FOR_EVER = """
offset = store.complete_to(0) or 0
while True:
    offset += 1
    store.put(0, [journey(f"journey-{number}", offset) for number in range(500)], offset, time())
    print(offset, flush=True)
"""
FILL_THE_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for offset in range(200):
    store.put(0, [journey(f"journey-{number}", offset) for number in range(100)], offset, time())
print(store.complete_to(0), list(store.rows(0)))
"""


def child(folder: Path, code: str) -> subprocess.Popen:
    """Start a process that holds a store of its own."""
    begin = CHILD.format(tests=str(ROOT / "tests"), root=str(ROOT), folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", begin + code], stdout=subprocess.PIPE, text=True)
