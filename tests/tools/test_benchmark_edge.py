"""The SciPy route that boundary evaluation is compared with counts the same pairs."""

from pathlib import Path

import numpy as np

from tools.benchmarks.edge import scipy_route

DATA = Path(__file__).parents[1] / 'data' / 'edges'


def test_scipy_route_counts_maximum_matchings():
    data = np.load(DATA / 'edges_small_pascal.npz')
    gt = np.unpackbits(data['gt_thin'][0], axis=-1)[:, : data['shape'][1]].astype(bool)
    counts = scipy_route(data['prob_png'], gt, float(data['max_dist']))
    np.testing.assert_array_equal(counts, data['cntR_max'])
