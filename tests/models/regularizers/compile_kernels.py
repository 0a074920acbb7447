"""Render with Triton for an H200 that is not there: kernels are compiled, and not launched.

Prints the name of each kernel, as often as it has been compiled for a launch.
"""

from collections.abc import Callable
from typing import Any

import torch
from scene_factory import make_scene
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from mtl3d.models.regularizers.rendering import grid_rays
from mtl3d.models.regularizers.rendering.dispatch import renderer

#: Rays, samples, densities, hidden units and numbers; a size of 1 is a constant of the kernel.
SCENES = [
    ((56, 72), 48, 1, 64, torch.float32),
    ((9, 5), 3, 2, 5, torch.float64),
    ((1, 1), 1, 1, 1, torch.float32),
]


class NoGPU(DriverBase):
    """All that Triton's compiler asks a driver for."""

    def __init__(self) -> None: ...

    @classmethod
    def is_active(cls) -> bool:
        return True

    def get_current_target(self) -> GPUTarget:
        return GPUTarget('cuda', 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: object = None) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device('cpu')

    def get_benchmarker(self) -> Any: ...

    def map_python_to_cpp_type(self, ty: str) -> Any: ...


def compiled(self: Any, grid: object) -> Callable[..., None]:
    """Compile a kernel with the arguments of a launch, in place of the launch."""

    def launch(*args: object, **kwargs: object) -> None:
        kernel = self.warmup(*args, grid=grid, **kwargs)
        assert kernel.asm['cubin']
        print(self.__name__, flush=True)

    return launch


if __name__ == '__main__':
    driver.set_active(NoGPU())
    JITFunction.__getitem__ = compiled  # type: ignore[method-assign]
    for size, samples, densities, units, dtype in SCENES:
        planes, fields, _, _ = make_scene(
            size=size, samples=samples, densities=densities, units=units, dtype=dtype
        )
        grid = grid_rays(size, samples, 2, like=planes.xy, jitter=True)
        for rays in (grid, grid.as_points()):
            values = renderer('triton')(planes, fields, rays).values
            sum(value.sum() for value in values).backward()
