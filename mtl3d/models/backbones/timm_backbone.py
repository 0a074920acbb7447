"""Any timm model as the shared encoder; the only place where timm is imported."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtl3d.models.backbones.hrnet_fusion import accept_any_size
from mtl3d.models.backbones.pretrained import read_weights, resize_position_embedding
from mtl3d.registry import MODELS
from mtl3d.utils.compat import ensure_torchvision
from mtl3d.utils.config import nearest

ensure_torchvision()  # timm imports torchvision

import timm  # noqa: E402


@MODELS.register_module()
class TimmBackbone(nn.Module):
    """Multi-scale features of a CNN or Swin, or token maps of a ViT, from any timm model.

    Without ``out_blocks`` the features are timm's feature pyramid (``features_only``). With
    ``out_blocks`` the model must be a plain ViT (ViT, DeiT, DINOv2, DINOv3, ...): the features are
    the raw outputs of these blocks and, last, the output of the final norm, all as maps of patches
    without class and register tokens.

    Position embeddings of pretrained weights are resized to the grid of ``img_size`` bicubically
    *without* antialiasing, as the base methods do (InvPT, ECCV 2022, published code); timm itself
    would use antialiasing, which gives other values even when it enlarges.

    Args:
        model_name: timm's name, for instance ``vit_large_patch16_384`` or ``resnet50``.
        pretrained: True fetches timm's weights (from the Hugging Face hub or its local cache), a
            path reads them from a ``.npz`` (AugReg ViT), ``.pth`` or ``.safetensors`` file (timm's
            parameter names), False leaves the random initialisation.
        img_size: (H, W) of the input images, for models with position embeddings or windows. None
            keeps the model's own size; convolutional models take any size.
        out_blocks: Blocks of a ViT whose outputs are taken, counted from 1, increasing.
        out_indices: Levels of the feature pyramid, counted from 0; None gives all.
        drop_path_rate: Stochastic depth; timm raises it linearly from block to block.
        grad_checkpointing: Recompute activations in the backward pass to save memory.
        frozen: Keep weights and normalisation statistics as they are.
        upsample_mode: Replaces the mode of the model's up-sampling layers. ``bilinear`` turns
            timm's HRNet, which up-samples by nearest neighbours, into the HRNet of the dense
            prediction literature.
        norm_momentum: How far BatchNorm's running statistics move towards those of a batch, in (0,
            1]; None keeps the model's own, 0.1 in most.
        model_kwargs: Further arguments of the timm model, for instance ``dict(depth=2)``,
            ``dict(patch_size=16)`` or ``dict(output_stride=8)``.

    Shape:
        Input ``(N, 3, H, W)`` float, normalised; output a tuple of ``(N, out_channels[i],
        H / strides[i], W / strides[i])``, for a pyramid with the highest resolution first.

    Raises:
        ValueError: Unknown model, a block that the model does not have, weights of another
            architecture, or, when called, an image of another size than ``img_size``.
        FileNotFoundError: ``pretrained`` is a path without a file.
        ConnectionError: ``pretrained=True`` and the weights cannot be fetched.

    Attributes:
        out_channels: Channels of each feature.
        strides: Pixels per feature position of each feature.
    """

    out_channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __init__(
        self,
        *,
        model_name: str,
        pretrained: bool | str = False,
        img_size: tuple[int, int] | None = None,
        out_blocks: Sequence[int] | None = None,
        out_indices: Sequence[int] | None = None,
        drop_path_rate: float = 0.0,
        grad_checkpointing: bool = False,
        frozen: bool = False,
        upsample_mode: str | None = None,
        norm_momentum: float | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if out_blocks is not None and out_indices is not None:
            raise ValueError('out_blocks (of a ViT) excludes out_indices (of a pyramid)')
        arguments = dict(model_kwargs or {})
        if img_size is not None:
            arguments['img_size'] = tuple(img_size)
        if drop_path_rate:
            arguments['drop_path_rate'] = drop_path_rate
        if out_blocks is not None:
            arguments |= dict(num_classes=0, global_pool='')
        else:
            arguments['features_only'] = True
            if out_indices is not None:
                arguments['out_indices'] = tuple(out_indices)

        self.img_size = None if img_size is None else (int(img_size[0]), int(img_size[1]))
        self.out_blocks = None if out_blocks is None else tuple(out_blocks)
        self.frozen = frozen
        model = create_timm_model(model_name, pretrained, arguments)
        self.model = model
        if self.out_blocks is None:
            self.out_channels = tuple(model.feature_info.channels())
            self.strides = tuple(model.feature_info.reduction())
        else:
            count = len(checked_blocks(self.out_blocks, model)) + 1
            self.out_channels = (model.num_features,) * count
            self.strides = (model.patch_embed.patch_size[0],) * count
        accept_any_size(model)
        if upsample_mode is not None:
            self._set_upsample_mode(upsample_mode)
        if norm_momentum is not None:
            self._set_norm_momentum(norm_momentum)
        if grad_checkpointing:
            inner_model(model).set_grad_checkpointing(True)
        if frozen:
            self.requires_grad_(False)
        self.train(self.training)

    def _set_upsample_mode(self, mode: str) -> None:
        layers = [module for module in self.model.modules() if isinstance(module, nn.Upsample)]
        if not layers:
            raise ValueError(f"upsample_mode='{mode}': the model has no up-sampling layer")
        for layer in layers:
            layer.mode = mode

    def _set_norm_momentum(self, momentum: float) -> None:
        layers = [module for module in self.model.modules() if isinstance(module, nn.BatchNorm2d)]
        if not layers:
            raise ValueError(f'norm_momentum={momentum}: the model has no BatchNorm')
        if not 0 < momentum <= 1:
            raise ValueError(f'norm_momentum={momentum}: must lie in (0, 1]')
        for layer in layers:
            layer.momentum = momentum

    def init_weights(self) -> None:
        """Do nothing: MMEngine's Runner would call timm's own method and undo the pretraining."""

    def train(self, mode: bool = True) -> 'TimmBackbone':
        """Set the training mode; a frozen backbone stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the features of ``(N, 3, H, W)`` images."""
        size = tuple(inputs.shape[-2:])
        if self.img_size is not None and size != self.img_size:
            raise ValueError(
                f'The input is {size[0]} x {size[1]}, but the backbone was built for img_size='
                f"{self.img_size}. Set the backbone's img_size and the data preprocessor's size to "
                'the same value.'
            )
        if self.out_blocks is None:
            return self._pyramid(inputs)
        return self._token_maps(inputs)

    def _pyramid(self, inputs: Tensor) -> tuple[Tensor, ...]:
        features = self.model(inputs)
        if getattr(self.model, 'output_fmt', 'NCHW') == 'NHWC':
            features = [feature.permute(0, 3, 1, 2).contiguous() for feature in features]
        return tuple(features)

    def _token_maps(self, inputs: Tensor) -> tuple[Tensor, ...]:
        indices = [block - 1 for block in self.out_blocks or ()]
        tokens, maps = self.model.forward_intermediates(inputs, indices=indices)
        last = tokens[:, self.model.num_prefix_tokens :].transpose(1, 2)
        return (*maps, last.reshape(maps[0].shape).contiguous())


def checked_blocks(blocks: tuple[int, ...], model: Any) -> tuple[int, ...]:
    """Refuse block numbers that a model does not have, and models that are not plain ViTs."""
    if not hasattr(model, 'num_prefix_tokens') or not hasattr(model, 'blocks'):
        raise ValueError(
            f'out_blocks={blocks}: {type(model).__name__} is not a plain ViT; use out_indices'
        )
    depth = len(model.blocks)
    increasing = all(a < b for a, b in zip(blocks, blocks[1:], strict=False))
    if not blocks or not increasing or blocks[0] < 1 or blocks[-1] > depth:
        raise ValueError(f'out_blocks={blocks}: needs increasing numbers from 1 to {depth}')
    return blocks


def create_timm_model(model_name: str, pretrained: bool | str, arguments: Mapping[str, Any]) -> Any:
    """Build a timm model, with weights if asked for.

    Args:
        model_name: timm's name.
        pretrained: As in :class:`TimmBackbone`.
        arguments: Arguments of ``timm.create_model``.

    Returns:
        The model.

    Raises:
        ValueError: There is no such model, the weights are of another architecture, or the model
            does not know an argument.
        FileNotFoundError: ``pretrained`` is a path without a file.
        ConnectionError: The weights cannot be fetched.
    """
    family(model_name)  # which names the nearest if there is none
    skeleton = build_skeleton(model_name, arguments)
    if pretrained is False:
        return timm.create_model(model_name, pretrained=False, **arguments)
    if pretrained is True:
        state = fetch_weights(model_name, arguments)
    else:
        state = read_weights(Path(pretrained))
        check_depth(model_name, build_skeleton(model_name, own_arguments(arguments)), state)
    check_names(model_name, skeleton, state)
    embedding = getattr(skeleton, 'pos_embed', None)
    if embedding is not None and hasattr(skeleton, 'patch_embed'):
        grid = skeleton.patch_embed.grid_size
        prefix = embedding.shape[1] - grid[0] * grid[1]
        state['pos_embed'] = resize_position_embedding(state['pos_embed'], grid, prefix)
    try:
        return timm.create_model(
            model_name, pretrained=True, pretrained_cfg_overlay=dict(state_dict=state), **arguments
        )
    except RuntimeError as error:
        first_mismatch = ' '.join(str(error).split('\n\t')[:2])
        raise ValueError(
            f'pretrained={pretrained!r} does not fit {model_name}: {first_mismatch}'
        ) from error


def family(model_name: str) -> str:
    """Find the module of timm that defines a model, for instance ``resnet``.

    Raises:
        ValueError: There is no such model.
    """
    base = model_name.split('.')[0]
    if not timm.is_model(model_name):
        raise ValueError(f"model_name='{model_name}': {nearest(base, timm.list_models())}")
    return timm.model_entrypoint(base).__module__.rpartition('.')[2]


def build_skeleton(model_name: str, arguments: Mapping[str, Any]) -> Any:
    """Build the model without memory for its weights, to learn their names and the patch grid."""
    try:
        with torch.device('meta'):
            return inner_model(timm.create_model(model_name, pretrained=False, **arguments))
    except (TypeError, AssertionError) as error:
        raise ValueError(
            f'{model_name} cannot be built with {dict(arguments)}: {error}. Models without '
            'position embeddings take images of any size: leave img_size at None for them.'
        ) from error


def own_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the arguments that only concern a model's input and output."""
    of_input_and_output = {
        'img_size', 'patch_size', 'num_classes', 'global_pool', 'features_only', 'out_indices',
        'feature_location', 'output_stride',
    }  # fmt: skip
    return {key: value for key, value in arguments.items() if key not in of_input_and_output}


def fetch_weights(model_name: str, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """Get timm's published weights at their own image and patch size.

    Args:
        model_name: timm's name.
        arguments: Arguments of the wanted model; those that only concern its input and output are
            left out.

    Returns:
        The state dict.

    Raises:
        ConnectionError: They are neither in the local cache nor reachable, or do not exist.
    """
    try:
        model = timm.create_model(model_name, pretrained=True, **own_arguments(arguments))
        return model.state_dict()
    except Exception as error:  # whichever of its HTTP libraries fails, the advice is the same
        raise ConnectionError(
            f'The pretrained weights of {model_name} could not be fetched ({error}). Without '
            "network, download them elsewhere and set backbone.pretrained='path/to/file', or use "
            'pretrained=False.'
        ) from error


def check_depth(model_name: str, model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Refuse weights of a deeper network of the same widths, which would be cut off silently.

    HRNet-W18 in the place of its small v2, which many papers call HRNet-W18, is such a case.

    Args:
        model_name: For the message.
        model: The complete model.
        state: The weights.

    Raises:
        ValueError: There are weights of a block beyond the model's last one.
    """
    last = last_indices(model.state_dict())
    for blocks, index in last_indices(state).items():
        if index > last.get(blocks, index):
            raise ValueError(
                f'The weights do not fit {model_name}: they are of a deeper network, with '
                f'{blocks}.{index} where {model_name} ends with {blocks}.{last[blocks]}'
            )


def last_indices(names: Iterable[str]) -> dict[str, int]:
    """Find the last index of every list of modules: list's name -> index."""
    last: dict[str, int] = {}
    for name in names:
        parts = name.split('.')
        for place, part in enumerate(parts):
            if part.isdigit():
                blocks = '.'.join(parts[:place])
                last[blocks] = max(last.get(blocks, 0), int(part))
    return last


def check_names(model_name: str, skeleton: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Refuse weights that leave a parameter unset; timm would only log it.

    Args:
        model_name: For the message.
        skeleton: The model that the weights are for.
        state: The weights; more than the model needs is no error (classifiers are dropped).

    Raises:
        ValueError: A parameter is missing.
    """

    def flat(name: str) -> str:  # timm's pyramids rename 'layers.0' to 'layers_0'
        return name.replace('.', '_')

    given = {flat(name) for name in state}
    needed = [name for name in skeleton.state_dict() if not name.endswith('num_batches_tracked')]
    missing = [name for name in needed if flat(name) not in given]
    if missing:
        raise ValueError(
            f'The weights do not fit {model_name}: {len(missing)} of {len(needed)} tensors are '
            f'missing, for instance {", ".join(missing[:3])}. Are they of another architecture, or '
            "not in timm's naming?"
        )


def inner_model(model: nn.Module) -> Any:
    """Get the model itself where timm wraps it to collect features."""
    return model.model if type(model).__name__ == 'FeatureGetterNet' else model
