"""Layer-wise learning-rate decay: the nearer to the image, the slower a backbone learns."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mtl3d.registry import OPTIM_WRAPPER_CONSTRUCTORS

#: A residual or transformer block, in timm's names: 'blocks.7.' or 'layers_2.blocks.5.'.
BLOCK = re.compile(r'^.*\bblocks\.\d+\.')


def layer_indices(names: Iterable[str]) -> dict[str, int]:
    """Number the layers of a network of blocks.

    Args:
        names: Its parameters' names, in the order in which it registers its modules.

    Returns:
        Name -> layer: 0 for embeddings, i for the i-th block counted from 1; what stands between
        or after the blocks (down-sampling, the last norm) belongs to the block before.
    """
    blocks: list[str] = []
    layers = {}
    for name in names:
        match = BLOCK.match(name)
        if match and match.group() not in blocks:
            blocks.append(match.group())
        layers[name] = len(blocks)
    return layers


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(DefaultOptimWrapperConstructor):
    """Give layer i of a backbone of L blocks the learning rate ``lr * decay ** (L + 1 - i)``.

    Source: Clark et al., "ELECTRA", ICLR 2020; for vision transformers Bao et al., "BEiT", ICLR
    2022. Everything outside of the backbone keeps ``lr``. In a config it is the ``constructor`` of
    ``optim_wrapper``, next to ``paramwise_cfg=dict(layer_decay=0.8)``.

    ``paramwise_cfg`` has, beside MMEngine's keys (``norm_decay_mult``, ``bias_decay_mult``,
    ``custom_keys``, ...), ``layer_decay``: the factor per layer, in (0, 1]; and ``backbone``: the
    prefix of the backbone's parameters, ``backbone.`` by default. Parameters of equal settings form
    one group.

    Args:
        optim_wrapper_cfg: Config of the optimizer wrapper.
        paramwise_cfg: See above.

    Raises:
        ValueError: ``layer_decay`` is missing or not in (0, 1]; or, when called, the backbone has
            no blocks.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        paramwise = dict(paramwise_cfg or {})
        self.layer_decay = paramwise.pop('layer_decay', None)
        self.backbone = paramwise.pop('backbone', 'backbone.')
        if self.layer_decay is None or not 0 < self.layer_decay <= 1:
            raise ValueError(
                f'paramwise_cfg.layer_decay={self.layer_decay}: LayerDecayConstructor needs a '
                'factor in (0, 1]'
            )
        # MMEngine takes all parameters as one group when this is empty.
        super().__init__(optim_wrapper_cfg, {'bypass_duplicate': False, **paramwise})

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', is_dcn_module: Any = None
    ) -> None:
        """Fill MMEngine's list of parameter groups; called recursively, first with the model."""
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        layers = layer_indices(name for name in names.values() if name.startswith(self.backbone))
        depth = max(layers.values(), default=0)
        if not depth:
            raise ValueError(
                f"LayerDecayConstructor found no parameter '{self.backbone}...blocks.N...': it "
                'needs a backbone of blocks, as a ViT or a Swin'
            )
        merged: dict[tuple, list[nn.Parameter]] = defaultdict(list)
        for group in params:
            (parameter,) = group.pop('params')
            layer = layers.get(names[id(parameter)], depth + 1)
            rate = group.get('lr', self.base_lr) * self.layer_decay ** (depth + 1 - layer)
            merged[tuple(sorted({**group, 'lr': rate}.items()))].append(parameter)
        params[:] = [dict(settings, params=chosen) for settings, chosen in merged.items()]
