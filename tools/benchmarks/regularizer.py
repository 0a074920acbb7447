"""All renderers of the regularizer side by side, and the regularizer's share of a training step."""

import argparse
import ctypes
import gc
import resource
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from mtl3d.apis.configuration import load_config
from mtl3d.models.regularizers.fields import TaskFields
from mtl3d.models.regularizers.rendering import BACKENDS, Backend, TriPlane, grid_rays, render
from mtl3d.models.regularizers.rendering.dispatch import choose_backend
from tools.benchmarks._report import machine, write_json
from tools.benchmarks._training_step import TrainingStep

#: Channels of a plane, and hidden units of a field.
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
#: Seconds after which a measurement is not repeated.
ENOUGH = 10.0
OUT_OF_MEMORY = 'out of memory'


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

    def __str__(self) -> str:
        return f'{self.height}x{self.width}x{self.samples} batch {self.batch} tasks {self.tasks}'


def size_of(text: str) -> tuple[int, int]:
    """Read ``HxW``."""
    height, width = text.split('x')
    return int(height), int(width)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    cuda = torch.cuda.is_available()

    parser.add_argument(
        '--sizes', nargs='+', type=size_of, default=[(56, 72), (64, 64), (112, 144), (224, 288)],
        help='render sizes HxW',
    )  # fmt: skip
    parser.add_argument('--samples', nargs='+', type=int, default=[24, 48, 96], help='per ray')
    parser.add_argument('--batches', nargs='+', type=int, default=[1, 6], help='images')
    parser.add_argument('--tasks', nargs='+', type=int, default=[4, 5], choices=TASKS)
    parser.add_argument('--backends', nargs='+', choices=BACKENDS[1:], help='default: all here')
    parser.add_argument('--repeats', type=int, default=20 if cuda else 3, help='timed runs')
    parser.add_argument(
        '--patience', type=float, default=10, metavar='SECONDS',
        help='a renderer that needs so much time for a scene (on a CPU: CPU time) gets no larger '
        'ones; default: %(default)s',
    )  # fmt: skip
    parser.add_argument(
        '--memory', type=float, metavar='GIB',
        help='what this process may allocate; scenes that need more are left out; default: what '
        'is free',
    )  # fmt: skip
    parser.add_argument('--threads', type=int, help="torch's CPU threads; default: torch's")
    parser.add_argument(
        '--steps', nargs='*', default=STEP_CONFIGS if cuda else [], metavar='CONFIG',
        help="measure the regularizer's share of a training step of these configs",
    )  # fmt: skip
    parser.add_argument('--step-batch-size', type=int, help="default: each config's own")
    parser.add_argument('--json', type=Path, help='write all numbers here, and a plot beside it')


def run(args: argparse.Namespace) -> None:
    """Measure, print a table, write JSON and a plot.

    The numbers so far are written after each measurement, so that a run which is stopped has not
    run in vain.

    Raises:
        ValueError: A config has no regularizer.
        ChildProcessError: Something failed for another reason than memory.
    """
    for path in args.steps:
        if not load_config(path).model.get('regularizer'):
            raise ValueError(f'{path} has no regularizer whose share could be measured')
    if args.threads:
        torch.set_num_threads(args.threads)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    console = Console(width=130, soft_wrap=True)
    report = dict(**machine(), probes=_probe(device), rendering=[], steps=[])

    def keep(part: str, row: dict[str, Any]) -> None:
        report[part].append(row)
        if args.json:
            write_json(args.json, report)

    for path in args.steps:
        row = _attempt(lambda: _step_share(path, device, args), device, args.memory)  # noqa: B023
        keep('steps', dict(config=path, **row))
        console.print(_step_line(report['steps'][-1]))
    cases = [
        Case(*size, *rest)
        for size, *rest in product(args.sizes, args.samples, args.batches, args.tasks)
    ]
    backends = args.backends or [b for b in BACKENDS[1:] if _works(b, device)]
    for case in sorted(cases, key=lambda c: c.points):
        for backend, backward in product(list(backends), (False, True)):
            row = _attempt(
                lambda: _measure(case, backend, backward, device, args),  # noqa: B023
                device,
                args.memory,
            )
            what = dict(points=case.points, backend=backend, backward=backward)
            keep('rendering', {**case._asdict(), **what, **row})
            console.print(_line(case, report['rendering'][-1]))
            if backward and row.get(_clock(), torch.inf) > args.patience:
                console.print(f'{backend} gets no larger scenes')
                backends.remove(backend)
    console.print(_table(report))
    if args.json:
        _plot(report['rendering'], args.json.with_suffix('.png'))
        console.print(f'Wrote {args.json} and {args.json.with_suffix(".png")}')
    rows = report['rendering'] + report['steps']
    if failed := [row for row in rows if row.get('failed', OUT_OF_MEMORY) != OUT_OF_MEMORY]:
        raise ChildProcessError(f'{len(failed)} of {len(rows)} measurements failed, see above')


def _works(backend: str, device: str) -> bool:
    try:
        return choose_backend(backend, device) == backend  # type: ignore[arg-type]
    except ValueError:
        return False


def _attempt(
    measure: Callable[[], dict[str, Any]], device: str, memory: float | None
) -> dict[str, Any]:
    """Measure; an error becomes part of the report, so that the other measurements go on."""
    _give_back()
    try:
        with _memory_limit(memory, device):
            return measure()
    except Exception as error:
        # The CPU's allocator raises a plain RuntimeError.
        full = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if full or "can't allocate memory" in str(error):
            return dict(failed=OUT_OF_MEMORY)
        traceback.print_exc()
        return dict(failed=f'{type(error).__name__}: {error}')


@contextmanager
def _memory_limit(gibibytes: float | None, device: str) -> Iterator[None]:
    """Let allocations beyond a limit raise; else Linux ends a process that takes too much."""
    if device == 'cuda':
        total = torch.cuda.get_device_properties().total_memory
        limit = total if gibibytes is None else gibibytes * 2**30
        torch.cuda.set_per_process_memory_fraction(min(1, limit / total))
        yield
    elif not Path('/proc/meminfo').exists():  # not Linux
        yield
    else:
        free = _kibibytes(Path('/proc/meminfo'), 'MemAvailable')
        limit = free if gibibytes is None else gibibytes * 2**30
        now = _kibibytes(Path('/proc/self/status'), 'VmData')
        before = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (int(now + limit), before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _give_back() -> None:
    """Return memory that was freed to the system, so that it does not hide a later peak."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL('libc.so.6').malloc_trim(0)


def _measure(
    case: Case, backend: Backend, backward: bool, device: str, args: argparse.Namespace
) -> dict[str, Any]:
    """Time one renderer on one scene, and take its peak memory above the inputs."""
    _run_of(case._replace(height=8, width=8, batch=1), backend, backward, device)()  # compiles
    once = _run_of(case, backend, backward, device)
    peak = _peak_bytes(once, device)
    walls, cpus = _times(once, device, args.repeats)
    return dict(**_summary(walls), cpu_median=median(cpus), peak_bytes=peak)


def _run_of(case: Case, backend: Backend, backward: bool, device: str) -> Callable[[], None]:
    """Make a random scene; the result renders it once."""
    torch.manual_seed(0)
    height, width, samples, batch, tasks = case
    planes = TriPlane(
        *(
            torch.randn(batch, CHANNELS, height, width, device=device, requires_grad=backward)
            for _ in range(3)
        )
    )
    fields = TaskFields(
        in_channels=CHANNELS, out_channels=TASKS[tasks], hidden_channels=CHANNELS
    ).to(device)
    rays = grid_rays((height, width), samples, batch, like=planes.xy, jitter=True)
    gradients = [
        torch.randn(batch, channels, height, width, device=device)
        for channels in TASKS[tasks].values()
    ]

    def once() -> None:
        with torch.set_grad_enabled(backward):
            values = render(planes, fields.weights(), rays, backend=backend).values
            if backward:
                torch.autograd.grad(values, [*planes, *fields.parameters()], gradients)

    return once


def _times(
    once: Callable[[], object], device: str, repeats: int
) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of each of some runs."""
    walls: list[float] = []
    cpus: list[float] = []
    while len(walls) < repeats and sum(walls) < ENOUGH:
        wall, cpu = time.perf_counter(), time.process_time()
        once()
        if device == 'cuda':
            torch.cuda.synchronize()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return walls, cpus


def _summary(seconds: list[float]) -> dict[str, Any]:
    return dict(median=median(seconds), min=min(seconds), max=max(seconds), repeats=len(seconds))


def _peak_bytes(once: Callable[[], None], device: str) -> int | None:
    """Peak memory above what is allocated before; None where the CPU's cannot be read."""
    _give_back()
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        once()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    status = Path('/proc/self/status')
    try:
        Path('/proc/self/clear_refs').write_text('5')  # restart the peak
        before = _kibibytes(status, 'VmRSS')
    except OSError:  # not Linux
        once()
        return None
    once()
    return _kibibytes(status, 'VmHWM') - before


def _kibibytes(path: Path, field: str) -> int:
    """Read a size from one of Linux's tables, in bytes."""
    lines = path.read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f'{field}:'))
    return int(line.split()[1]) * 1024


def _probe(device: str) -> dict[str, float]:
    """Measure what bounds a renderer here: memory, arithmetic, and the start of an operation."""
    gc.collect()

    def best(once: Callable[[], object]) -> float:
        once()
        walls, cpus = _times(once, device, repeats=5)
        return min(walls if device == 'cuda' else cpus)

    a, b, c = torch.ones(3, 2**26 if device == 'cuda' else 2**24, device=device)
    matrix = torch.ones(4096 if device == 'cuda' else 1024, 4096, device=device)
    few = torch.ones(8, device=device)

    def thousand() -> None:
        for _ in range(1000):
            few.add_(1)

    return dict(
        triad_bytes_per_second=3 * a.nbytes / best(lambda: torch.add(b, c, alpha=2, out=a)),
        matmul_flops_per_second=2
        * matrix.shape[0] ** 2
        * matrix.shape[1]
        / best(lambda: matrix @ matrix.T),
        operation_seconds=best(thousand) / 1000,
    )


def _step_share(path: str, device: str, args: argparse.Namespace) -> dict[str, Any]:
    """Time steps of a config's model with and without its regularizer, in turn."""
    amp = 'bf16' if device == 'cuda' else None
    step = TrainingStep(path, batch_size=args.step_batch_size, amp=amp)
    regularizer = step.model.regularizer
    whole: list[float] = []
    base: list[float] = []
    for _ in range(args.repeats + 1):
        for branch, seconds in ((regularizer, whole), (None, base)):
            step.model.regularizer = branch
            seconds.append(step())
    share = 1 - median(base[1:]) / median(whole[1:])  # the first ones warm up
    return dict(
        batch=step.batch_size,
        amp=amp,
        share=share,
        whole=_summary(whole[1:]),
        base=_summary(base[1:]),
    )


def _line(case: Case, row: dict[str, Any]) -> str:
    result = row.get('failed') or f'{row["median"]:.4f} s, {_mebibytes(row["peak_bytes"])}'
    return f'{case} {row["backend"]} {"fwd+bwd" if row["backward"] else "fwd"}: {result}'


def _step_line(row: dict[str, Any]) -> str:
    if 'failed' in row:
        return f'{row["config"]}: {row["failed"]}'
    return (
        f'{row["config"]}, batch {row["batch"]}, {row["amp"] or "float32"}: the regularizer takes '
        f'{row["share"]:.2%} of {row["whole"]["median"]:.3f} s'
    )


def _mebibytes(count: int | None) -> str:
    return '-' if count is None else f'{count / 2**20:.0f} MiB'


def _table(report: dict[str, Any]) -> Table:
    """Forward and backward of every renderer, beside the reference where it was rendered."""
    probes, clock = report['probes'], _clock()
    table = Table(
        title='Forward and backward',
        caption=f'{probes["triad_bytes_per_second"] / 1e9:.0f} GB/s, '
        f'{probes["matmul_flops_per_second"] / 1e9:.0f} GFLOP/s in matrix products, '
        f'{probes["operation_seconds"] * 1e6:.1f} us per small operation',
    )
    for column in (
        'scene', 'batch', 'tasks', 'backend', 'median', 'min', 'max', 'CPU', 'peak',
        'times faster', 'times leaner',
    ):  # fmt: skip
        table.add_column(column)
    trained = [r for r in report['rendering'] if r['backward']]
    reference = {_case(r): r for r in trained if r['backend'] == 'reference' and 'failed' not in r}
    for r in trained:
        case, base = _case(r), reference.get(_case(r))
        scene = f'{case.height}x{case.width}x{case.samples}', str(case.batch), str(case.tasks)
        if 'failed' in r:
            table.add_row(*scene, r['backend'], r['failed'])
            continue
        peak = r['peak_bytes']
        table.add_row(
            *scene,
            r['backend'],
            *(f'{r[key] * 1e3:.1f} ms' for key in ('median', 'min', 'max', 'cpu_median')),
            _mebibytes(peak),
            f'{base[clock] / r[clock]:.1f}' if base else '-',
            f'{base["peak_bytes"] / peak:.1f}' if base and peak else '-',
        )
    return table


def _case(row: dict[str, Any]) -> Case:
    return Case(*(row[field] for field in Case._fields))


def _clock() -> str:
    """Name what renderers are compared by: a CPU may have other programs to run meanwhile."""
    return 'median' if torch.cuda.is_available() else 'cpu_median'


def _plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and memory of forward and backward against the number of points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout='constrained')
    seconds, memory = figure.subplots(1, 2)
    trained = [r for r in results if r['backward'] and 'failed' not in r]
    for backend in dict.fromkeys(r['backend'] for r in trained):
        rows = [r for r in trained if r['backend'] == backend]
        seconds.loglog([r['points'] for r in rows], [r[_clock()] for r in rows], 'o', ms=4)
        known = [(r['points'], r['peak_bytes'] / 2**20) for r in rows if r['peak_bytes']]
        memory.loglog(*zip(*known, strict=True), 'o', label=backend, ms=4)
    unit = 'seconds' if _clock() == 'median' else 'CPU seconds'
    seconds.set(xlabel='points', ylabel=f'{unit}, forward and backward')
    memory.set(xlabel='points', ylabel='peak memory above the inputs, MiB')
    memory.legend(loc='lower right')
    figure.savefig(path, dpi=120)
