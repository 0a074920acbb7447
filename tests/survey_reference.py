"""The networks of the multi-task survey a second time, as functions of weights in its own naming.

Written from the description of Vandenhende et al.'s code (TPAMI 2021), with nothing of ``mtl3d`` in
it. A weight comes into being where it is first used, by the rule of the golden numbers; so one pass
gives the published names and shapes as well as the outputs.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: Name -> blocks of layer1, blocks of a branch, modules of stages 2 to 4, widths of the branches.
HRNETS = {
    'hrnet_w18': (2, 2, (1, 3, 2), (18, 36, 72, 144)),
    'hrnet_w48': (4, 4, (1, 4, 3), (48, 96, 192, 384)),
}
#: Name -> convolutions of a block, blocks of the layers, channels after them.
RESNETS = {
    'resnet18': (2, (2, 2, 2, 2), (64, 128, 256, 512)),
    'resnet50': (3, (3, 4, 6, 3), (256, 512, 1024, 2048)),
}
#: Channels of the tasks, in the order in which the survey's code always takes them.
NYUD = dict(semseg=40, normals=3, edge=1, depth=1)
PASCAL = dict(semseg=21, human_parts=7, sal=1, normals=3, edge=1)

Maps = dict[str, Tensor]


def fill(name: str, shape: Sequence[int]) -> Tensor:
    """The rule by which the original was filled with weights (its fill B)."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(tuple(shape), dtype=torch.int64)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith('running_var'):
        noise = 0.1 * abs(noise) + 1
    elif name.endswith('.param'):
        noise = 0.25 + 0.1 * noise
    elif len(shape) >= 2:
        noise *= 0.85 / np.sqrt(np.prod(shape[1:]))
    else:
        noise = 0.02 * noise + (1 if name.endswith('weight') else 0)
    return torch.from_numpy(noise.astype(np.float32))


def up(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly to another map's size."""
    return F.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=False)


class Survey:
    """The weights of one network; call one of its models.

    Args:
        make: Makes a weight from its name and shape.
        training: Normalise by the batch and update the running statistics.
    """

    def __init__(
        self,
        make: Callable[[str, Sequence[int]], Tensor] = fill,
        *,
        training: bool = False,
    ) -> None:
        self.make = make
        self.training = training
        self.weights: Maps = {}

    def weight(self, name: str, *shape: int) -> Tensor:
        if name not in self.weights:
            value = self.make(name, shape)
            learnt = self.training and 'running' not in name and value.is_floating_point()
            self.weights[name] = value.requires_grad_(learnt)
        return self.weights[name]

    # -- layers -----------------------------------------------------------------------------------

    def conv(
        self, name: str, x: Tensor, channels: int, kernel: int = 1, *, stride: int = 1,
        dilation: int = 1, bias: bool = False,
    ) -> Tensor:  # fmt: skip
        weight = self.weight(f'{name}.weight', channels, x.shape[1], kernel, kernel)
        offset = self.weight(f'{name}.bias', channels) if bias else None
        padding = dilation * (kernel // 2)
        return F.conv2d(x, weight, offset, stride, padding, dilation)

    def norm(self, name: str, x: Tensor, momentum: float = 0.1) -> Tensor:
        channels = x.shape[1]
        scale, shift, mean, variance = (
            self.weight(f'{name}.{part}', channels)
            for part in ('weight', 'bias', 'running_mean', 'running_var')
        )
        self.weight(f'{name}.num_batches_tracked').add_(int(self.training))
        return F.batch_norm(x, mean, variance, scale, shift, self.training, momentum, 1e-5)

    def block(
        self, name: str, x: Tensor, channels: int, convs: int = 2, *, stride: int = 1,
        dilations: tuple[int, int] = (1, 1), momentum: float = 0.1,
    ) -> Tensor:  # fmt: skip
        """ResNet's basic block (two convolutions) or bottleneck (three, of a quarter's width)."""

        def unit(index: int, x: Tensor, width: int, kernel: int, step: int, dilation: int):
            x = self.conv(f'{name}.conv{index}', x, width, kernel, stride=step, dilation=dilation)
            return self.norm(f'{name}.bn{index}', x, momentum)

        if convs == 2:
            y = unit(1, x, channels, 3, stride, dilations[0]).relu()
            y = unit(2, y, channels, 3, 1, dilations[1])
        else:
            y = unit(1, x, channels // 4, 1, 1, 1).relu()
            y = unit(2, y, channels // 4, 3, stride, dilations[0]).relu()
            y = unit(3, y, channels, 1, 1, 1)
        if x.shape[1] != channels or stride != 1:
            x = self.conv(f'{name}.downsample.0', x, channels, stride=stride)
            x = self.norm(f'{name}.downsample.1', x, momentum)
        return (x + y).relu()

    # -- backbones --------------------------------------------------------------------------------

    def hrnet(self, name: str, x: Tensor, variant: str) -> list[Tensor]:
        first, blocks, modules, widths = HRNETS[variant]
        momentum = 0.01

        def unit(conv: str, norm: str, x: Tensor, channels: int, kernel: int, stride: int):
            x = self.conv(f'{name}.{conv}', x, channels, kernel, stride=stride)
            return self.norm(f'{name}.{norm}', x, momentum)

        for index in (1, 2):
            x = unit(f'conv{index}', f'bn{index}', x, 64, 3, 2).relu()
        for index in range(first):
            x = self.block(f'{name}.layer1.{index}', x, 256, 3, momentum=momentum)
        branches = [x]
        for stage in (2, 3, 4):
            transition = f'transition{stage - 1}'
            path = f'{transition}.{stage - 1}.0'
            new = unit(f'{path}.0', f'{path}.1', branches[-1], widths[stage - 1], 3, 2).relu()
            if stage == 2:  # the only branch so far changes its width, too
                path = f'{transition}.0'
                branches = [unit(f'{path}.0', f'{path}.1', x, widths[0], 3, 1).relu()]
            branches.append(new)
            for module in range(modules[stage - 2]):
                here = f'stage{stage}.{module}'
                for b, width in enumerate(widths[:stage]):
                    for n in range(blocks):
                        branches[b] = self.block(
                            f'{name}.{here}.branches.{b}.{n}', branches[b], width, momentum=momentum
                        )
                fused = []
                for i, target in enumerate(branches):
                    total = torch.zeros_like(target)
                    for j, y in enumerate(branches):
                        path = f'{here}.fuse_layers.{i}.{j}'
                        if j > i:
                            y = up(unit(f'{path}.0', f'{path}.1', y, widths[i], 1, 1), target)
                        for k in range(i - j):
                            last = k == i - j - 1
                            width = widths[i] if last else widths[j]
                            y = unit(f'{path}.{k}.0', f'{path}.{k}.1', y, width, 3, 2)
                            y = y if last else y.relu()
                        total = total + y
                    fused.append(total.relu())
                branches = fused
        return branches

    def stem(self, name: str, x: Tensor) -> Tensor:
        x = self.norm(f'{name}.bn1', self.conv(f'{name}.conv1', x, 64, 7, stride=2)).relu()
        return F.max_pool2d(x, 3, 2, 1)

    def layer(self, name: str, x: Tensor, variant: str, layer: int) -> tuple[Tensor, Tensor]:
        """A layer of the dilated ResNet: the map before its last block, and after it."""
        convs, blocks, channels = RESNETS[variant]
        outer = (1, 1, 2, 4)[layer]
        before = x
        for n in range(blocks[layer]):
            before = x
            dilations = (outer, outer) if n else ((1, 1, 1, 2)[layer], outer)
            stride = 2 if layer == 1 and n == 0 else 1
            x = self.block(
                f'{name}.layer{layer + 1}.{n}', x, channels[layer], convs, stride=stride,
                dilations=dilations,
            )  # fmt: skip
        return before, x

    def backbone(self, name: str, x: Tensor, variant: str) -> list[Tensor]:
        if variant in HRNETS:
            return self.hrnet(name, x, variant)
        x = self.stem(name, x)
        for layer in range(4):
            x = self.layer(name, x, variant, layer)[1]
        return [x]

    # -- heads ------------------------------------------------------------------------------------

    def fuse(self, name: str, maps: Sequence[Tensor]) -> Tensor:
        x = torch.cat([maps[0], *(up(y, maps[0]) for y in maps[1:])], 1)
        x = self.conv(f'{name}.last_layer.0', x, x.shape[1], bias=True)
        return self.norm(f'{name}.last_layer.1', x).relu()

    def head(self, name: str, maps: Sequence[Tensor], channels: int) -> Tensor:
        """HRNet's head for four maps, DeepLab's for one."""
        if len(maps) > 1:
            x = self.fuse(name, maps)
            return self.conv(f'{name}.last_layer.3', x, channels, bias=True)

        def unit(conv: str, norm: str, x: Tensor, kernel: int = 1, dilation: int = 1) -> Tensor:
            x = self.conv(f'{name}.{conv}', x, 256, kernel, dilation=dilation)
            return self.norm(f'{name}.{norm}', x).relu()

        (x,) = maps
        parts = [unit('0.convs.0.0', '0.convs.0.1', x)]
        for n, rate in enumerate((12, 24, 36), 1):
            parts.append(unit(f'0.convs.{n}.0', f'0.convs.{n}.1', x, 3, rate))
        parts.append(up(unit('0.convs.4.1', '0.convs.4.2', x.mean((2, 3), keepdim=True)), x))
        x = unit('0.project.0', '0.project.1', torch.cat(parts, 1))
        return self.conv(f'{name}.4', unit('1', '2', x, 3), channels, bias=True)

    # -- models: image -> final predictions at the image's size, and auxiliary ones ---------------

    def single_task(self, x: Tensor, variant: str, task: Mapping[str, int]) -> tuple[Maps, dict]:
        maps = self.backbone('backbone', x, variant)
        return {t: up(self.head('decoder', maps, k), x) for t, k in task.items()}, {}

    def multi_task_baseline(
        self, x: Tensor, variant: str, tasks: Mapping[str, int]
    ) -> tuple[Maps, dict]:
        maps = self.backbone('backbone', x, variant)
        return {t: up(self.head(f'decoders.{t}', maps, k), x) for t, k in tasks.items()}, {}

    def distill(self, name: str, features: Maps, targets: Sequence[str]) -> Maps:
        result = {}
        for target in targets:
            total = features[target]
            for source, y in features.items():
                if source != target:
                    path = f'{name}.self_attention.{target}.{source}'
                    gate = self.conv(f'{path}.attention.0', y, y.shape[1], 3).sigmoid()
                    total = total + gate * self.conv(f'{path}.conv', y, y.shape[1], 3)
            result[target] = total
        return result

    def propagate(self, name: str, features: Maps) -> Maps:
        n, channels = len(features), next(iter(features.values())).shape[1]
        total = n * channels
        stacked = torch.cat(list(features.values()), 1)
        y = self.block(f'{name}.non_linear.0', stacked, total // 4)
        y = self.block(f'{name}.non_linear.1', y, total // 4)
        y = self.conv(f'{name}.non_linear.2', y, total, bias=True).exp()
        mask = torch.cat([y[:, k : k + n] / y[:, k : k + n].sum(1, keepdim=True)
                          for k in range(0, total, n)], 1)  # fmt: skip
        shared = self.block(f'{name}.dimensionality_reduction', mask * stacked, channels)
        result = {}
        for task, feature in features.items():
            z, path = shared.mean((2, 3)), f'{name}.se.{task}.squeeze'
            for layer, (rows, columns) in ((0, (channels // 16, channels)),
                                           (2, (channels, channels // 16))):  # fmt: skip
                weight = self.weight(f'{path}.{layer}.weight', rows, columns)
                z = F.linear(z, weight, self.weight(f'{path}.{layer}.bias', rows))
                z = z.sigmoid() if layer else z.relu()
            result[task] = shared * z[..., None, None] + feature
        return result

    def mti_net(
        self, x: Tensor, variant: str, tasks: Mapping[str, int], auxiliary: Mapping[str, int]
    ) -> tuple[Maps, dict[str, Maps]]:
        maps = self.hrnet('backbone', x, variant)
        deep: dict[str, Maps] = {}
        coarser: Maps | None = None
        distilled: list[Maps] = []
        for scale in (3, 2, 1, 0):
            features, width = {}, maps[scale].shape[1]
            for a in auxiliary:
                y = maps[scale]
                if coarser is not None:
                    y = torch.cat([y, F.interpolate(coarser[a], scale_factor=2.0, mode='bilinear',
                                                    align_corners=False)], 1)  # fmt: skip
                for n in range(2):
                    y = self.block(f'scale_{scale}.refinement.{a}.{n}', y, width)
                features[a] = y
            deep[f'scale_{scale}'] = {
                a: self.conv(f'scale_{scale}.decoders.{a}', features[a], k, bias=True)
                for a, k in auxiliary.items()
            }
            if scale:
                coarser = self.propagate(f'fpm_scale_{scale}', features)
            distilled.insert(0, self.distill(f'distillation_scale_{scale}', features, list(tasks)))
        final = {
            t: up(self.head(f'heads.{t}', [d[t] for d in distilled], k), x)
            for t, k in tasks.items()
        }
        return final, deep

    def pad_net(
        self, x: Tensor, variant: str, tasks: Mapping[str, int], auxiliary: Mapping[str, int]
    ) -> tuple[Maps, dict[str, Maps]]:
        shared = self.fuse('backbone.1', self.hrnet('backbone.0', x, variant))
        features, initial = {}, {}
        for a, k in auxiliary.items():
            y, name = shared, 'initial_task_prediction_heads'
            for n in range(2):
                y = self.block(f'{name}.layers.{a}.{n}', y, 256, 3)
            features[a] = y
            initial[a] = self.conv(f'{name}.conv_out.{a}', y, k, bias=True)
        final = {}
        for t, y in self.distill('multi_modal_distillation', features, list(tasks)).items():
            for n in range(2):
                y = self.block(f'heads.{t}.{n}', y, 256, 3)
            final[t] = up(self.conv(f'heads.{t}.2', y, tasks[t], bias=True), x)
        return final, dict(initial=initial)

    def cross_stitch(self, x: Tensor, variant: str, tasks: Mapping[str, int]) -> tuple[Maps, dict]:
        features = {t: self.stem(f'backbone.{t}', x) for t in tasks}
        for n in range(4):
            old = {t: self.layer(f'backbone.{t}', y, variant, n)[1] for t, y in features.items()}
            unit, features = f'cross_stitch.layer{n + 1}.cross_stitch_unit', {}
            for i in tasks:
                features[i] = sum(
                    self.weight(f'{unit}.{i}.{j}.param', y.shape[1])[:, None, None] * y
                    for j, y in old.items()
                )
        return {t: up(self.head(f'heads.{t}', [features[t]], k), x) for t, k in tasks.items()}, {}

    def nddr_cnn(self, x: Tensor, variant: str, tasks: Mapping[str, int]) -> tuple[Maps, dict]:
        features = dict.fromkeys(tasks, x)
        for n, stage in enumerate(('conv', 'layer1_without_conv', 'layer2', 'layer3', 'layer4')):
            old = {
                t: self.layer(f'backbone.{t}', y, variant, n - 1)[1]
                if n
                else self.stem(f'backbone.{t}', y)
                for t, y in features.items()
            }
            stacked = torch.cat(list(old.values()), 1)
            for t, y in old.items():
                path = f'nddr.{stage}.layer.{t}'
                mixed = self.conv(f'{path}.0', stacked, y.shape[1])
                features[t] = self.norm(f'{path}.1', mixed, 0.05).relu()
        return {t: up(self.head(f'heads.{t}', [features[t]], k), x) for t, k in tasks.items()}, {}

    def mtan(self, x: Tensor, variant: str, tasks: Mapping[str, int]) -> tuple[Maps, dict]:
        channels = RESNETS[variant][2]
        shared = self.stem('backbone', x)
        attended: Maps = {}
        for n, width in enumerate(channels):
            before, shared = self.layer('backbone', shared, variant, n)
            refined = attended
            for t in tasks:
                y = torch.cat([before, refined[t]], 1) if n else before
                path = f'attention_{n + 1}.{t}'
                y = self.norm(f'{path}.1', self.conv(f'{path}.0', y, width // 4, bias=True)).relu()
                y = self.norm(f'{path}.4', self.conv(f'{path}.3', y, width, bias=True)).sigmoid()
                y = y * shared
                if n < 3:
                    y = self.block(f'refine_{n + 1}.0', y, channels[n + 1], 3)
                    y = F.max_pool2d(y, 2) if n == 0 else y
                attended = attended | {t: y}
        return {t: up(self.head(f'heads.{t}', [attended[t]], k), x) for t, k in tasks.items()}, {}
