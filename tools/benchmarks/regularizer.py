"""All renderers of the regularizer side by side, and the regularizer's share of a training step."""

import argparse
import ctypes
import gc
import json
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from rich.console import Console
from rich.table import Table

from mtl3d.models.regularizers.fields import TaskFields
from mtl3d.models.regularizers.rendering import BACKENDS, TriPlane, grid_rays, render
from mtl3d.models.regularizers.rendering.dispatch import choose_backend
from mtl3d.registry import MODELS
from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample

CHANNELS = 64
#: Channels of the tasks of NYUv2 (semantics, depth, normals, boundaries) and of PASCAL-Context.
TASKS = {
    4: dict(semseg=40, depth=1, normals=3, edge=1),
    5: dict(semseg=21, human_parts=7, saliency=1, normals=3, edge=1),
}
STEP_CONFIGS = [
    'configs/invpt/invpt_vitl_nyud_3dreg.py',
    'configs/invpt/invpt_vitb_nyud_3dreg.py',
    'configs/mtinet/mtinet_hrnet48_nyud_3dreg.py',
]


class Case(NamedTuple):
    """One scene to render."""

    height: int
    width: int
    samples: int
    batch: int
    tasks: int

    @property
    def points(self) -> int:
        """Points of the whole batch."""
        return self.batch * self.height * self.width * self.samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    cuda = torch.cuda.is_available()

    def size(text: str) -> tuple[int, int]:
        height, width = text.split('x')
        return int(height), int(width)

    parser.add_argument(
        '--sizes', nargs='+', type=size, default=[(56, 72), (64, 64), (112, 144), (224, 288)],
        help='render sizes HxW',
    )  # fmt: skip
    parser.add_argument('--samples', nargs='+', type=int, default=[24, 48, 96], help='per ray')
    parser.add_argument('--batches', nargs='+', type=int, default=[1, 6], help='images')
    parser.add_argument('--tasks', nargs='+', type=int, default=[4, 5], choices=TASKS)
    parser.add_argument('--backends', nargs='+', choices=BACKENDS[1:], help='default: all here')
    parser.add_argument(
        '--max-reference-points', type=float, default=1e9 if cuda else 1.2e6,
        help='larger scenes are not rendered point by point',
    )  # fmt: skip
    parser.add_argument('--repeats', type=int, default=20 if cuda else 3, help='timed runs')
    parser.add_argument('--threads', type=int, help="torch's CPU threads; default: torch's")
    parser.add_argument(
        '--steps', nargs='*', default=STEP_CONFIGS if cuda else [], metavar='CONFIG',
        help="measure the regularizer's share of a training step of these configs",
    )  # fmt: skip
    parser.add_argument('--json', type=Path, help='write all numbers here, and a plot beside it')


def run(args: argparse.Namespace) -> None:
    """Measure, print a table, write JSON and a plot."""
    if args.threads:
        torch.set_num_threads(args.threads)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    console = Console()
    backends = args.backends or [b for b in BACKENDS[1:] if _works(b, device)]
    cases = [
        Case(*size, *rest)
        for size, *rest in product(args.sizes, args.samples, args.batches, args.tasks)
    ]
    results = []
    for case in sorted(cases, key=lambda c: c.points):
        for backend in backends:
            if backend == 'reference' and case.points > args.max_reference_points:
                continue
            for backward in (False, True):
                numbers = _measure(case, backend, backward, device, args.repeats)
                results.append({**case._asdict(), 'points': case.points, **numbers})
                console.print(_line(results[-1]))
    report = dict(
        date=date.today().isoformat(),
        device=torch.cuda.get_device_name() if device == 'cuda' else platform.machine(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        rendering=results,
        steps=[_step_share(path, device, args.repeats) for path in args.steps],
    )
    console.print(_table(results))
    for step in report['steps']:
        console.print(f'{step["config"]}: {step["share"]:.2%} of {step["seconds"]:.3f} s')
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=1))
        _plot(results, args.json.with_suffix('.png'))
        console.print(f'Wrote {args.json} and {args.json.with_suffix(".png")}')


def _works(backend: str, device: str) -> bool:
    try:
        return choose_backend(backend, device) == backend  # type: ignore[arg-type]
    except ValueError:
        return False


def _measure(case: Case, backend: str, backward: bool, device: str, repeats: int) -> dict[str, Any]:
    """Time one renderer on one scene, and take its peak memory above the inputs."""
    torch.manual_seed(0)
    height, width, samples, batch, tasks = case
    planes = TriPlane(
        *(
            torch.randn(batch, CHANNELS, height, width, device=device, requires_grad=backward)
            for _ in range(3)
        )
    )
    fields = TaskFields(in_channels=CHANNELS, out_channels=TASKS[tasks]).to(device)
    rays = grid_rays((height, width), samples, batch, like=planes.xy, jitter=True)

    def once() -> None:
        with torch.set_grad_enabled(backward):
            rendering = render(planes, fields.weights(), rays, backend=backend)  # type: ignore[arg-type]
            if backward:
                total = sum(value.square().mean() for value in rendering.values)
                torch.autograd.grad(total, [*planes, *fields.parameters()])  # type: ignore[arg-type]

    once()  # compiles
    peak = _peak_bytes(once, device)
    walls, cpus = _times(once, device, repeats)
    return dict(
        backend=backend,
        backward=backward,
        median=float(np.median(walls)),
        min=min(walls),
        max=max(walls),
        cpu_median=float(np.median(cpus)),
        peak_bytes=peak,
    )


def _times(
    function: Callable[[], None], device: str, repeats: int
) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of each of some runs."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        if device == 'cuda':
            torch.cuda.synchronize()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return walls, cpus


def _peak_bytes(function: Callable[[], None], device: str) -> int | None:
    """Peak memory above what is allocated before; None where the CPU's cannot be read."""
    gc.collect()
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with suppress(OSError, AttributeError):
        ctypes.CDLL('libc.so.6').malloc_trim(0)  # else memory freed earlier hides the peak
        Path('/proc/self/clear_refs').write_text('5')  # Linux: restart the peak
        before = _status('VmRSS')
        function()
        return _status('VmHWM') - before
    return None


def _status(field: str) -> int:
    """Read a size from Linux's process status, in bytes."""
    lines = Path('/proc/self/status').read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f'{field}:'))
    return int(line.split()[1]) * 1024


def _step_share(path: str, device: str, repeats: int) -> dict[str, Any]:
    """Time forward and backward of a config's model with and without its regularizer."""
    cfg = Config.fromfile(path)
    cfg.model.backbone.pretrained = False
    model = MODELS.build(cfg.model).to(device).train()
    size = cfg.model.data_preprocessor.size
    batch = cfg.train_dataloader.batch_size
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(batch, 3, *size, generator=generator).to(device)
    samples = []
    for _ in range(batch):
        labels = {}
        for task in model.tasks:
            spec = LABEL_SPECS[task]
            label = torch.rand(spec.channels, *size, generator=generator)
            labels[task] = label.gt(0.5).long() if spec.kind == 'class' else label
        samples.append(MultiTaskDataSample(gt=PixelData(**labels)).to(device))

    def once() -> None:
        model.zero_grad()
        with torch.autocast(device, dtype=torch.bfloat16):
            losses = model(inputs, samples, mode='loss')
        sum(losses.values()).backward()  # type: ignore[union-attr]

    medians = []
    for regularizer in (model.regularizer, None):
        model.regularizer = regularizer
        once()
        medians.append(float(np.median(_times(once, device, repeats)[0])))
    whole, base = medians
    return dict(config=path, batch=batch, seconds=whole, base=base, share=1 - base / whole)


def _line(result: dict[str, Any]) -> str:
    peak = 'unknown' if result['peak_bytes'] is None else f'{result["peak_bytes"] / 2**20:.0f} MiB'
    return (
        f'{result["height"]}x{result["width"]}x{result["samples"]} batch {result["batch"]} tasks '
        f'{result["tasks"]} {result["backend"]} {"fwd+bwd" if result["backward"] else "fwd"}: '
        f'{result["median"]:.4f} s, {peak}'
    )


def _table(results: list[dict[str, Any]]) -> Table:
    """Forward and backward of every renderer, beside the reference where it was rendered."""
    table = Table(title='Forward and backward')
    for column in ('scene', 'batch', 'tasks', 'backend', 'median', 'min', 'max', 'CPU', 'peak'):
        table.add_column(column)
    table.add_column('times faster')
    table.add_column('times leaner')
    trained = [r for r in results if r['backward']]
    reference = {_key(r): r for r in trained if r['backend'] == 'reference'}
    for r in trained:
        base = reference.get(_key(r))
        peak = r['peak_bytes']
        table.add_row(
            f'{r["height"]}x{r["width"]}x{r["samples"]}',
            str(r['batch']),
            str(r['tasks']),
            r['backend'],
            *(f'{r[key] * 1e3:.1f} ms' for key in ('median', 'min', 'max', 'cpu_median')),
            f'{peak / 2**20:.0f} MiB' if peak else '-',
            f'{base["median"] / r["median"]:.1f}' if base else '-',
            f'{base["peak_bytes"] / peak:.1f}' if base and peak else '-',
        )
    return table


def _key(result: dict[str, Any]) -> tuple[int, ...]:
    return tuple(result[field] for field in Case._fields)


def _plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and memory of forward and backward against the number of points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout='constrained')
    axes = figure.subplots(1, 2)
    for backend in dict.fromkeys(r['backend'] for r in results):
        rows = [r for r in results if r['backend'] == backend and r['backward']]
        points = [r['points'] for r in rows]
        axes[0].loglog(points, [r['median'] for r in rows], 'o', label=backend, ms=4)
        known = [r for r in rows if r['peak_bytes']]
        axes[1].loglog(
            [r['points'] for r in known], [r['peak_bytes'] / 2**20 for r in known], 'o', ms=4
        )
    axes[0].set(xlabel='points', ylabel='seconds, forward and backward')
    axes[1].set(xlabel='points', ylabel='peak memory above the inputs, MiB')
    axes[0].legend()
    figure.savefig(path, dpi=120)
