"""Checkpoints to hand on: weights only, without what only training needs."""

import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn

from mtl3d.apis.checkpoint import load_weights, sha256
from mtl3d.apis.inference import init_model
from mtl3d.engine.atomic_backend import AtomicBackend
from mtl3d.version import __version__


def export(cfg: Config, checkpoint: str | Path, output: str | Path) -> Path:
    """Write a model for inference: ``.pth`` weights or an ``.onnx`` graph.

    The regularizer and the training state are dropped; they do not touch a prediction.

    Args:
        cfg: The config of the model.
        checkpoint: A checkpoint of this model.
        output: The file to write. An ONNX graph maps normalised images ``(N, 3, H, W)`` float32 of
            ``data_preprocessor.size`` to one output of raw logits per task.

    Returns:
        The file written.

    Raises:
        ValueError: The ending of ``output`` is unknown, the checkpoint does not fit, or a graph is
            asked for and the config tells no input size.
        ImportError: ONNX is asked for but not installed.
    """
    output = Path(output)
    if output.suffix not in ('.pth', '.onnx'):
        raise ValueError(f"Cannot export to '{output}': the ending must be .pth or .onnx")
    if output.suffix == '.onnx' and not (find_spec('onnx') and find_spec('onnxscript')):
        raise ImportError('Export to ONNX needs two packages: pip install onnx onnxscript')
    size = cfg.model.get('data_preprocessor', {}).get('size')
    if output.suffix == '.onnx' and not size:
        raise ValueError(
            f'Cannot export to {output}: a graph has a fixed input size, and the config has no '
            'model.data_preprocessor.size=(height, width)'
        )
    model = init_model(without_regularizer(cfg), checkpoint)
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == '.pth':
        _save(output, model.state_dict(), cfg)
    else:
        _export_onnx(output, model, tuple(size))
    return output


def without_regularizer(cfg: Config) -> Config:
    """Copy a config, for a model as it is at inference."""
    cfg = cfg.copy()
    cfg.merge_from_dict(dict(model=dict(regularizer=None, outputs='heads')))
    return cfg


def publish(checkpoint: str | Path, output: str | Path) -> Path:
    """Write the weights of a checkpoint under a name that carries their checksum.

    Args:
        checkpoint: A checkpoint.
        output: ``NAME.pth``; the file is called ``NAME-<8 hex digits of its SHA-256>.pth``.

    Returns:
        The file written.

    Raises:
        ValueError: The ending of ``output`` is not ``.pth``.
    """
    output = Path(output)
    if output.suffix != '.pth':
        raise ValueError(f"Cannot publish to '{output}': the ending must be .pth")
    output.parent.mkdir(parents=True, exist_ok=True)
    _save(output, load_weights(checkpoint))
    return output.rename(output.with_name(f'{output.stem}-{sha256(output)[:8]}.pth'))


def _save(path: Path, state: Mapping[str, Tensor], cfg: Config | None = None) -> None:
    meta = dict(mtl3d_version=__version__, cfg=cfg.pretty_text if cfg else '')
    content = io.BytesIO()
    torch.save(dict(meta=meta, state_dict=dict(state)), content)
    AtomicBackend().put(content.getvalue(), path)


class _Logits(nn.Module):
    """A model as a function from images to a tuple of logits, in task order."""

    def __init__(self, model: nn.Module, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.tasks = tasks

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        predictions = self.model(inputs)
        return tuple(predictions[task] for task in self.tasks)


def _export_onnx(path: Path, model: nn.Module, size: tuple[int, int]) -> None:
    tasks = tuple(model.tasks)  # type: ignore[arg-type]
    torch.onnx.export(
        _Logits(model, tasks).eval(),
        (torch.zeros(1, 3, *size),),
        path,
        input_names=['inputs'],
        output_names=list(tasks),
        dynamo=True,
    )
