"""Compile all kernels for compute capability 9.0: ``compile_kernels.py fp32``.

Prints the name of each kernel that has been compiled.
"""

import sys
from collections.abc import Iterator
from typing import Any

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from mtl3d.models.regularizers.rendering import (
    triton_kernels,
    triton_look_up,
    triton_point_kernels,
    triton_termination,
)

FIELD = dict(H=64, H_BLOCK=64, SLOPE=0.2)
#: Sizes of 1 become constants of the kernel.
SINGLE = dict(height=1, width=1, samples=1, u_ray=1, s_field=1)
GIVEN_U = dict(s=None, over_samples=None)
GIVEN_S = dict(u=None, over_units=None)


def kernels() -> Iterator[tuple[Any, dict[str, Any]]]:
    """All kernels with the constants of the ways in which they are used."""
    along, tile = triton_kernels._along_rays_kernel, dict(TILE=triton_kernels._TILE, **FIELD)
    for given in (dict(GIVEN_U, d_texels=None), dict(GIVEN_S, d_texels=None), {}, SINGLE):
        yield along, {**tile, **given}
    for x_z in (True, False):
        yield triton_kernels._across_rays_kernel, {**tile, 'X_Z': x_z}
    points = dict(TILE=triton_point_kernels._TILE, BORDER=True, **FIELD)
    forward = dict(steps=None, sums=None, d_bias=None)
    for given in ({**GIVEN_U, **forward}, {**GIVEN_S, **forward}, {}):
        yield triton_point_kernels._walk_kernel, {**points, **given}
    for transposed in (True, False):
        block = dict(BLOCK=triton_look_up._BLOCK, C_BLOCK=64, BORDER=True, TRANSPOSED=transposed)
        yield triton_look_up._resample_kernel, block
    rays = dict(K_BLOCK=64, BLOCK=triton_termination._BLOCK)
    yield triton_termination._terminate_kernel, rays
    yield triton_termination._gradient_kernel, rays


#: Arguments that are numbers; all other ones that are no constants are tensors.
SIZES = {
    's_field', 'u_ray', 'height', 'width', 'samples', 'num_rays', 'num_texels', 'channels',
    'xy_y', 'xy_x', 'xz_z', 'xz_x', 'yz_y', 'yz_z', 'rows_in', 'columns_in', 'columns_out',
    'plane_rows', 'plane_columns', 'source_n', 'source_a', 'source_b', 'source_c', 'target_n',
    'target_p', 'target_q', 'target_c', 'columns_n', 'delta_n', 'delta_y', 'delta_x',
    'delta_k',
}  # fmt: skip


def signature(kernel: Any, constants: dict[str, Any], number: str) -> dict[str, str]:
    """The types of a kernel's arguments."""
    special = dict(steps='*fp64', sums='*i64')
    types = {}
    for name in kernel.arg_names:
        if name in constants:
            types[name] = 'constexpr'
        else:
            types[name] = 'i32' if name in SIZES else special.get(name, f'*{number}')
    return types


if __name__ == '__main__':
    for kernel, constants in kernels():
        place = {(kernel.arg_names.index(k),): v for k, v in constants.items()}
        source = ASTSource(kernel, signature(kernel, constants, sys.argv[1]), constexprs=place)
        compile(source, target=GPUTarget('cuda', 90, 32))
        print(kernel.__name__, flush=True)
