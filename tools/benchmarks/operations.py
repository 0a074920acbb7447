"""Operations and memory of the renderers on a GPU, counted without one.

Fake tensors have shapes and no values; Triton's kernels are counted instead of run. So this takes
seconds anywhere, gives the same numbers everywhere, and says nothing of time but one thing: a GPU
starts an operation every few microseconds, however small it is.
"""

import argparse
import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mtl3d.models.regularizers.fields import TaskFields
from mtl3d.models.regularizers.rendering import TriPlane, grid_rays, separable
from mtl3d.models.regularizers.rendering.dispatch import renderer
from tools.benchmarks._report import write_json
from tools.benchmarks.regularizer import CHANNELS, TASKS, Case, size_of

#: CUDA's allocator of torch hands memory out in multiples of this.
GRANULE = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('--size', type=size_of, default=(56, 72), help='render size HxW')
    parser.add_argument('--samples', type=int, default=48, help='per ray')
    parser.add_argument('--batch', type=int, default=6, help='images')
    parser.add_argument('--tasks', type=int, default=4, choices=TASKS)
    parser.add_argument('--json', type=Path, help='write the numbers here')


def run(args: argparse.Namespace) -> None:
    """Count, print a table, write JSON."""
    case = Case(*args.size, args.samples, args.batch, args.tasks)
    backends = ['reference', 'separable', *(['triton'] if find_spec('triton') else [])]
    rows = [dict(backend=backend, **count(case, backend)) for backend in backends]
    table = Table(title=f'{case}, forward and backward')
    for column in ('backend', 'operations', 'peak memory', 'times leaner'):
        table.add_column(column)
    for row in rows:
        peak, reference = row['peak_bytes'], rows[0]['peak_bytes']
        table.add_row(
            row['backend'], str(row['operations']), f'{peak / 2**20:.1f} MiB',
            f'{reference / peak:.1f}',
        )  # fmt: skip
    Console().print(table)
    if args.json:
        write_json(args.json, dict(torch=torch.__version__, **case._asdict(), rendering=rows))


def count(case: Case, backend: str) -> dict[str, int]:
    """Count the operations of one forward and backward pass, and its peak memory.

    Returns:
        ``operations``, each of which starts at least one kernel on a GPU, and ``peak_bytes`` of
        allocations, the inputs and the gradients of the outputs not counted.
    """
    height, width, samples, batch, tasks = case
    with FakeTensorMode():
        planes = TriPlane(
            *(torch.empty(batch, CHANNELS, height, width, requires_grad=True) for _ in range(3))
        )
        fields = TaskFields(
            in_channels=CHANNELS, out_channels=TASKS[tasks], hidden_channels=CHANNELS
        )
        rays = grid_rays((height, width), samples, batch, like=planes.xy)
        gradients = [torch.empty(batch, c, height, width) for c in TASKS[tasks].values()]
        known = [*planes, *fields.parameters(), *rays, *gradients]
        gc.collect()
        blocks = patch.object(separable, 'CPU_POINT_BYTES', separable.POINT_BYTES)  # as on a GPU
        with blocks, _Recorder(known) as recorder, _counted_kernels(recorder.started):
            values = renderer(backend)(planes, fields.weights(), rays).values
            torch.autograd.grad(values, [*planes, *fields.parameters()], gradients)
        return dict(operations=recorder.operations, peak_bytes=recorder.peak)


@contextmanager
def _counted_kernels(started: Callable[[], None]) -> Iterator[None]:
    """Count Triton's kernels instead of running them."""
    if not find_spec('triton'):
        yield
        return
    from triton.runtime.interpreter import InterpretedFunction
    from triton.runtime.jit import JITFunction

    def launch(self: object, grid: object) -> Callable[..., None]:
        return lambda *args, **kwargs: started()

    with (
        patch.object(JITFunction, '__getitem__', launch),
        patch.object(InterpretedFunction, '__getitem__', launch),
    ):
        yield


class _Recorder(TorchDispatchMode):
    """Counts operations, and the bytes of the tensors that live at a time."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()
        self.operations = self.peak = self._now = 0
        self._alive = {tensor.untyped_storage()._cdata for tensor in known}

    def started(self) -> None:
        """Count a kernel."""
        self.operations += 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        idle = func.is_view or name == '_unsafe_view' or 'empty' in name
        if func.namespace == 'aten' and not idle:
            self.started()
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._alive:
            size = -(-storage.nbytes() // GRANULE) * GRANULE
            self._alive.add(key)
            weakref.finalize(storage, self._freed, key, size)
            self._now += size
            self.peak = max(self.peak, self._now)

    def _freed(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self._now -= size
