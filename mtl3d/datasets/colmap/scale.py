"""From COLMAP's arbitrary unit to metres, by the depth sensor."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scale(NamedTuple):
    """A median ratio of sensor depth to COLMAP's depth.

    Attributes:
        median: Metres per unit of COLMAP's model.
        spread: Difference of the quartiles over the median; 0 is perfect agreement.
        ratios: Number of ratios.
    """

    median: float
    spread: float
    ratios: int


def sensor_ratios(pixels: NDArray, depths: NDArray, sensor_depth: NDArray) -> NDArray[np.float64]:
    """Divide the sensor's depth by COLMAP's at the points of a view.

    Args:
        pixels: ``(n, 2)``.
        depths: ``(n,)``, COLMAP's.
        sensor_depth: ``(H, W)`` metres, 0 = no measurement; the nearest pixel is taken.

    Returns:
        ``(n,)``, NaN where there is no measurement.
    """
    column, row = np.round(pixels).astype(int).T
    height, width = sensor_depth.shape
    inside = (0 <= row) & (row < height) & (0 <= column) & (column < width) & (depths > 0)
    measured = sensor_depth[np.where(inside, row, 0), np.where(inside, column, 0)] * inside
    return np.where(measured > 0, measured / np.where(depths > 0, depths, 1), np.nan)


def robust_scale(ratios: NDArray) -> Scale:
    """Take median and spread of the ratios that are finite."""
    finite = ratios[np.isfinite(ratios)]
    if finite.size == 0:
        return Scale(float('nan'), float('inf'), 0)
    low, middle, high = np.quantile(finite, (0.25, 0.5, 0.75))
    return Scale(float(middle), float((high - low) / middle), finite.size)
