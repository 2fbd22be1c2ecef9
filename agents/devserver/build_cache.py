"""What is fetched or built once and shared by all data folders: each under a name of its content."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """Give the folder of all that is fetched: under `$XDG_CACHE_HOME`, default `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "journeys"


def made_once(name: str, recipe: Path, make: Callable[[Path], None]) -> Path:
    """Give the folder that `make` fills, from the cache if a `recipe` (file or folder) of this content was made before.

    Any number of processes may ask at once: one makes, the others wait. A folder whose making was interrupted is
    made again. What `make` raises passes through.
    """
    home = _folder(name, recipe)
    done = home / "done"
    if done.exists():
        return home / "made"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            # In its final place from the first: a Python environment does not survive a move.
            shutil.rmtree(home / "made", ignore_errors=True)
            (home / "made").mkdir()
            make(home / "made")
            done.touch()
    return home / "made"


def is_made(name: str, recipe: Path) -> bool:
    """Whether `made_once` has nothing to make."""
    return (_folder(name, recipe) / "done").exists()


def _folder(name: str, recipe: Path) -> Path:
    return cache_folder() / f"{name}-{_content(recipe)}"


def _content(recipe: Path) -> str:
    files = sorted(path for path in recipe.rglob("*") if path.is_file()) if recipe.is_dir() else [recipe]
    digest = hashlib.blake2b(digest_size=4)
    for path in files:
        digest.update(path.relative_to(recipe.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
