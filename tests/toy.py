"""The smallest parts that make a complete model, for tests of everything around them."""

from collections.abc import Mapping, Sequence

import torch
from mmengine.structures import PixelData
from torch import Tensor, nn

from mtl3d.models.decoders import DecoderOutput
from mtl3d.registry import MODELS
from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample


def pointwise_heads(channels: int, out_channels: Mapping[str, int]) -> nn.ModuleDict:
    """One 1x1 convolution per task."""
    return nn.ModuleDict({task: nn.Conv2d(channels, c, 1) for task, c in out_channels.items()})


@MODELS.register_module()
class ToyBackbone(nn.Module):
    """One strided convolution."""

    out_channels = (8,)

    def __init__(self, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, stride=4)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return (self.dropout(self.norm(self.conv(inputs)).relu()),)


@MODELS.register_module()
class ToyDecoder(nn.Module):
    """One 1x1 convolution per task, and another for a deep supervision named ``inter``."""

    def __init__(self, *, in_channels: Sequence[int], out_channels: Mapping[str, int]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {k: nn.Conv2d(in_channels[0], c, 1) for k, c in out_channels.items()}
        )
        self.inter = nn.ModuleDict(
            {k: nn.Conv2d(in_channels[0], c, 1) for k, c in out_channels.items()}
        )

    def forward(self, features: Sequence[Tensor]) -> DecoderOutput:
        return DecoderOutput(
            predictions={k: head(features[0]) for k, head in self.heads.items()},
            auxiliary={'inter': {k: head(features[0]) for k, head in self.inter.items()}},
        )


@MODELS.register_module()
class ToyRegularizer(nn.Module):
    """Stands where the tri-plane stands; counts its calls."""

    def __init__(self, *, in_channels: Sequence[int], out_channels: Mapping[str, int]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {k: nn.Conv2d(in_channels[0], c, 1) for k, c in out_channels.items()}
        )
        self.calls = 0

    def forward(self, features: Sequence[Tensor], cameras: object = None) -> dict[str, Tensor]:
        self.calls += 1
        return {k: head(features[0]) for k, head in self.heads.items()}


TASKS_CFG = dict(
    semseg=dict(type='SemSegTask', num_classes=5, loss_weight=1.0),
    depth=dict(type='DepthTask', loss_weight=2.0),
    normals=dict(type='NormalsTask', loss_weight=10.0),
    edge=dict(type='EdgeTask', loss_weight=50.0),
)


def toy_model_cfg(regularizer: bool = True, **overrides: object) -> dict:
    """Config of a model that runs in milliseconds."""
    return dict(
        type='MultiTaskModel',
        data_preprocessor=dict(type='MultiTaskDataPreprocessor'),
        backbone=dict(type='ToyBackbone'),
        decoder=dict(type='ToyDecoder'),
        tasks={name: dict(cfg) for name, cfg in TASKS_CFG.items()},
        regularizer=dict(type='ToyRegularizer') if regularizer else None,
    ) | dict(overrides)


def random_label(task: str, height: int, width: int, generator: torch.Generator) -> Tensor:
    """A valid random label of one task."""
    spec = LABEL_SPECS[task]
    shape = (spec.channels, height, width)
    if spec.kind == 'class':
        return torch.randint(0, 5, shape, generator=generator)
    if spec.kind == 'binary':
        return (torch.rand(shape, generator=generator) < 0.2).float()
    if spec.is_direction:
        return nn.functional.normalize(torch.randn(shape, generator=generator), dim=0)
    return torch.rand(shape, generator=generator) * 5 + 0.5


def toy_sample(
    index: int, height: int = 16, width: int = 24, tasks: Sequence[str] = tuple(TASKS_CFG)
) -> dict:
    """One packed data set item with random image and labels, fixed by its index."""
    generator = torch.Generator().manual_seed(index)
    image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    sample = MultiTaskDataSample(
        metainfo=dict(img_id=str(index), ori_shape=(height, width), img_shape=(height, width))
    )
    sample.gt = PixelData(**{t: random_label(t, height, width, generator) for t in tasks})
    return dict(inputs=image, data_samples=sample)


def toy_batch(*indices: int, **kwargs: object) -> dict:
    """Several items as ``pseudo_collate`` makes them."""
    items = [toy_sample(i, **kwargs) for i in indices]  # type: ignore[arg-type]
    return dict(
        inputs=[i['inputs'] for i in items], data_samples=[i['data_samples'] for i in items]
    )
