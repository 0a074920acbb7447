"""Parameters, floating-point operations and seconds per image of several configs."""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mtl3d.apis.configuration import load_config
from mtl3d.registry import MODELS
from mtl3d.utils.weights import without_pretrained
from tools.benchmarks._report import machine, write_json

#: One config of each method.
DEFAULT = [
    f'configs/{name.split("_")[0]}/{name}.py'
    for name in (
        'single_hrnet18s_nyud_semseg', 'vanilla_hrnet18s_nyud', 'vanilla_hrnet48_nyud',
        'crossstitch_resnet50_nyud', 'mtan_resnet50_nyud', 'padnet_hrnet18s_nyud',
        'padnet_hrnet48_nyud', 'pap_hrnet18s_nyud', 'pap_hrnet48_nyud', 'psd_hrnet18s_nyud',
        'psd_hrnet48_nyud', 'astmt_seresnet50_nyud', 'atrc_hrnet18s_nyud', 'atrc_hrnet48_nyud',
        'mtinet_hrnet18s_nyud', 'mtinet_hrnet48_nyud', 'mtinet_dinov2l_nyud',
        'mtinet_dinov3l_nyud', 'invpt_vits_nyud', 'invpt_vitb_nyud', 'invpt_vitl_nyud',
        'invpt_swinl_nyud', 'invpt_dinov2l_nyud', 'invpt_dinov3l_nyud', 'invpt_radiol_nyud',
    )
]  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('configs', nargs='*', default=DEFAULT, help='default: one of each method')
    parser.add_argument('--repeats', type=int, default=3, help='timed passes; 0 leaves them out')
    parser.add_argument('--batch-size', type=int, default=1, help='images of a timed pass')
    parser.add_argument('--json', type=Path, help='write all numbers here')
    parser.add_argument('--markdown', type=Path, help='write the table here')


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure every config, print a table, and return all numbers.

    Random weights; the regularizer is left out, since inference does not know it. GFLOPs are those
    of one image, a multiplication and an addition counted as two. Time is the median of passes
    from the normalised image to the raw predictions, in float32.
    """
    rows = [measure(path, args.repeats, args.batch_size) for path in args.configs]
    header = [
        'config', 'input', 'parameters', 'of them backbone', 'GFLOPs', 's / image', 'CPU s / image',
    ]  # fmt: skip
    cells = [
        [
            Path(row['config']).stem,
            '{} x {}'.format(*row['size']),
            f'{row["parameters"]:,}'.replace(',', ' '),
            f'{row["backbone"]:,}'.replace(',', ' '),
            f'{row["gflops"]:.1f}',
            *('' if row[key] is None else f'{row[key]:.3f}' for key in ('seconds', 'cpu_seconds')),
        ]
        for row in rows
    ]
    table = Table(title='Inference')
    for name in header:
        table.add_column(name, justify='left' if name == 'config' else 'right')
    for line in cells:
        table.add_row(*line)
    Console(width=120).print(table)
    report = dict(
        **machine(),
        batch_size=args.batch_size,
        repeats=args.repeats,
        models=rows,
    )
    if args.json:
        write_json(args.json, report)
    if args.markdown:
        lines = [header, ['---'] + ['---:'] * (len(header) - 1), *cells]
        args.markdown.write_text(''.join(f'| {" | ".join(line)} |\n' for line in lines))
    return report


def measure(path: str | Path, repeats: int = 3, batch_size: int = 1) -> dict[str, Any]:
    """Count and time one config.

    Args:
        path: The config.
        repeats: Timed passes; 0 only counts, on tensors without memory.
        batch_size: Images of a timed pass.

    Returns:
        ``config``, ``size`` (H, W) of the input, ``parameters`` and those of the ``backbone``,
        ``gflops`` per image, ``seconds`` per image, and ``cpu_seconds``, which other programs on
        the machine disturb less (both None without repeats).
    """
    model_cfg = without_pretrained(load_config(path).model.to_dict())
    model_cfg['regularizer'] = None
    height, width = model_cfg['data_preprocessor']['size']
    counter = FlopCounterMode(display=False)
    with torch.device('meta'):
        model = MODELS.build(model_cfg).eval()
    # CPU tensors without memory: some operations do not know the meta device. The counter does not
    # know the CPU's fused attention.
    with FakeTensorMode(allow_non_fake_inputs=True), sdpa_kernel(SDPBackend.MATH):
        with torch.no_grad(), counter:
            model.to_empty(device='cpu')(torch.empty(1, 3, height, width))
    seconds, cpu_seconds = _time(model_cfg, repeats, batch_size) if repeats else (None, None)
    return dict(
        config=str(path),
        size=(height, width),
        parameters=_count(model),
        backbone=_count(model.backbone),
        gflops=counter.get_total_flops() / 1e9,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _time(model_cfg: dict[str, Any], repeats: int, batch_size: int) -> tuple[float, float]:
    """Measure seconds per image, by the clock and of this process."""
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = MODELS.build(model_cfg).to(device).eval()
    inputs = torch.randn(batch_size, 3, *model_cfg['data_preprocessor']['size'], device=device)
    times = []
    for _ in range(repeats + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        with torch.no_grad():
            model(inputs)
        if device == 'cuda':
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start, time.process_time() - cpu_start))
    wall, cpu = zip(*times[1:], strict=True)  # the first one warms up
    return statistics.median(wall) / batch_size, statistics.median(cpu) / batch_size
