"""HRNet for images of any size."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class BranchUpsample(nn.Upsample):
    """Enlarge a map by its factor, then fit it to the branch that it is added to.

    The second step does something only where a stride has halved an odd number: 27 rows become 14,
    which the factor 2 enlarges to 28. ATRC's code (Bruggemann et al., ICCV 2021) does it in these
    two steps, whose result differs from one resize to 27 rows.
    """

    branch_size: tuple[int, int] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(N, C, h, w)`` to ``(N, C, *branch_size)``."""
        enlarged = super().forward(maps)
        if self.branch_size is None or tuple(enlarged.shape[-2:]) == self.branch_size:
            return enlarged
        return F.interpolate(enlarged, size=self.branch_size, mode=self.mode)


def accept_any_size(model: nn.Module) -> None:
    """Let timm's HRNet take images whose sides are no multiples of 32.

    Args:
        model: If it is an HRNet, its up-sampling layers are replaced.
    """
    for module in model.modules():
        if isinstance(getattr(module, 'fuse_layers', None), nn.ModuleList):
            for name, layer in list(module.named_modules()):
                if type(layer) is nn.Upsample:
                    parent = module.get_submodule(name.rpartition('.')[0])
                    parent[-1] = BranchUpsample(scale_factor=layer.scale_factor, mode=layer.mode)  # type: ignore[operator]
            module.register_forward_pre_hook(_tell_branch_sizes)


def _tell_branch_sizes(module: nn.Module, inputs: tuple[Sequence[Tensor]]) -> None:
    (branches,) = inputs
    for branch, paths in zip(branches, module.fuse_layers, strict=True):  # type: ignore[arg-type]
        height, width = branch.shape[-2:]
        for path in paths:
            if isinstance(path, nn.Sequential) and isinstance(path[-1], BranchUpsample):
                path[-1].branch_size = (int(height), int(width))
