"""How depth and normals are stored in 16-bit pictures."""

import numpy as np
from numpy.typing import NDArray

DEPTH_STEPS_PER_METRE = 5000
NORMAL_STEPS = 32767


def encode_depth(depth: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Round ``(H, W)`` metres to steps of 0.2 mm, up to 13.1 m; 0 = no measurement."""
    return np.clip(np.round(depth * DEPTH_STEPS_PER_METRE), 0, 65535).astype(np.uint16)


def decode_depth(stored: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Undo :func:`encode_depth`: ``(H, W)`` float32 metres."""
    return stored.astype(np.float32) / np.float32(DEPTH_STEPS_PER_METRE)


def encode_normals(normals: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Store ``(H, W, 3)`` components in steps of 1 / 32767 about 32768; zero vectors stay exact."""
    return (np.round(normals * NORMAL_STEPS) + 32768).astype(np.uint16)


def decode_normals(stored: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Undo :func:`encode_normals`: ``(H, W, 3)`` float32."""
    return (stored.astype(np.float32) - np.float32(32768)) / np.float32(NORMAL_STEPS)
