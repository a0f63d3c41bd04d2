"""A stand-in for one training: the life of a run folder without a model. It imports nothing heavy.

python tests/support/stand_in_job.py RUN_FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    run = Path(sys.argv[1])
    run.mkdir(exist_ok=True)
    (run / "config.yaml").touch()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # "saved"
    with (run / "starts").open("a") as starts:
        starts.write(f"{os.getpid()} {os.environ.get('RANK', 'alone')}\n")
    time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
    if os.environ.get("RANK", "0") == "0":
        half = run / f".summary.{os.getpid()}"
        half.write_text(json.dumps({"validation_loss": 1.0, "sweep_metric": "validation_loss"}))
        os.link(half, run / "summary.json")  # a second time would be an error
        half.unlink()
