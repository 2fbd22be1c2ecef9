"""Export the journeys of a store, and have RLlib train on them: `python -m tests.rllib PYTHON_WITH_RAY`."""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.trainer.store_of_journeys import fill
from training_orchestrator import export_dataset

with tempfile.TemporaryDirectory() as folder:
    store, dataset = Path(folder) / "journeys.sqlite3", Path(folder) / "steps.parquet"
    asyncio.run(fill(store, 500))
    said = export_dataset(dataset, store_path=store)
    print(f"{said.rows} steps of {said.episodes} episodes")
    command = [sys.argv[1], str(Path(__file__).with_name("train.py")), str(dataset)]
    sys.exit(subprocess.run(command, check=False, timeout=300).returncode)
