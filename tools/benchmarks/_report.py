"""What the reports of all benchmarks say about the machine, and how they are written."""

import json
import os
import platform
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import torch


def machine() -> dict[str, Any]:
    """Describe where and when this runs: date, device, cores, torch and its threads."""
    on_gpu = torch.cuda.is_available()
    return dict(
        date=date.today().isoformat(),
        device=torch.cuda.get_device_name() if on_gpu else _processor(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
    )


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + '\n')


def _processor() -> str:
    """Name the processor; Python itself knows only its architecture on Linux."""
    with suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()
