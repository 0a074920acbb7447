"""Two optimizers on one loss: one for weights, one for architecture parameters."""

from collections.abc import Mapping
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn
from torch.optim import Optimizer

from mtl3d.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS


@OPTIM_WRAPPERS.register_module()
class ArchitectureOptimWrapper(OptimWrapper):
    """Update weights and architecture parameters from the same loss, each by its own optimizer.

    The single-level search of ATRC (Bruggemann et al., ICCV 2021): one backward pass, one gradient
    norm over all parameters to clip, then the weights' step and the architecture's. Parameter
    schedulers act on the weights' optimizer alone.

    Args:
        optimizer: The optimizer of the weights.
        architecture_optimizer: The optimizer of the architecture parameters.
        accumulative_counts: Iterations between updates, as in MMEngine.
        clip_grad: Arguments of ``clip_grad_norm_``, over the parameters of both.
    """

    def __init__(
        self,
        *,
        optimizer: Optimizer,
        architecture_optimizer: Optimizer,
        accumulative_counts: int = 1,
        clip_grad: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts=accumulative_counts, clip_grad=clip_grad)
        self.architecture_optimizer = architecture_optimizer

    def step(self, **kwargs: Any) -> None:
        """Clip all gradients jointly, then update weights and architecture parameters."""
        super().step(**kwargs)
        self.architecture_optimizer.step(**kwargs)

    def zero_grad(self, **kwargs: Any) -> None:
        """Clear the gradients of both optimizers' parameters."""
        super().zero_grad(**kwargs)
        self.architecture_optimizer.zero_grad(**kwargs)

    def _clip_grad(self) -> None:
        groups = self.optimizer.param_groups + self.architecture_optimizer.param_groups
        parameters = [p for group in groups for p in group['params'] if p.grad is not None]
        norm = self.clip_func(parameters, **self.clip_grad_kwargs)
        if norm is not None:  # clip_grad_value_ gives none
            self.message_hub.update_scalar(f'train/{self.grad_name}', float(norm))

    def state_dict(self) -> dict[str, Any]:
        """Collect the state of both optimizers."""
        return dict(
            weights=super().state_dict(), architecture=self.architecture_optimizer.state_dict()
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` has collected."""
        super().load_state_dict(state_dict['weights'])
        self.architecture_optimizer.load_state_dict(state_dict['architecture'])


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ArchitectureOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Give parameters called ``architecture`` to ``architecture_optimizer``, the rest to the other.

    Args:
        optim_wrapper_cfg: Config of an :class:`ArchitectureOptimWrapper` whose ``optimizer`` and
            ``architecture_optimizer`` are configs.
        paramwise_cfg: Must be empty.

    Raises:
        ValueError: ``paramwise_cfg`` is given, or, when called, the model has no architecture
            parameters.
    """

    def __init__(
        self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: Mapping[str, Any] | None = None
    ) -> None:
        if paramwise_cfg:
            raise ValueError(f'paramwise_cfg={paramwise_cfg}: not supported beside a search')
        super().__init__(dict(optim_wrapper_cfg))

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the two optimizers and their wrapper for a model."""
        architecture: list[nn.Parameter] = []
        weights: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            searched = name.split('.')[-1] == 'architecture'
            (architecture if searched else weights).append(parameter)
        if not architecture:
            raise ValueError(
                'optim_wrapper.constructor: the model has no architecture parameters to search; '
                'use ATRCSearchDecoder, or a plain OptimWrapper'
            )
        cfg = dict(self.optim_wrapper_cfg)
        of_architecture = dict(cfg.pop('architecture_optimizer'), params=architecture)
        return OPTIM_WRAPPERS.build(
            dict(
                cfg,
                optimizer=OPTIMIZERS.build(dict(self.optimizer_cfg, params=weights)),
                architecture_optimizer=OPTIMIZERS.build(of_architecture),
            )
        )
