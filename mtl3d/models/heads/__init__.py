"""The last layers of one task, usable in any decoder and open to projects."""

from mtl3d.models.heads.aspp_head import ASPPHead
from mtl3d.models.heads.build import build_heads
from mtl3d.models.heads.conv_head import ConvHead
from mtl3d.models.heads.hrnet_head import HRNetHead

__all__ = ['ASPPHead', 'ConvHead', 'HRNetHead', 'build_heads']
