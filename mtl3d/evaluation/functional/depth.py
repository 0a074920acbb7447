"""Errors of metric depth (Eigen et al., NIPS 2014, section 4.2).

Statistics of an image: float64 ``(11,)``, sums over its measured pixels, in the order of
:data:`COLUMNS`. They add up over images.
"""

import numpy as np

#: ``images`` is 1 where the image has a measured pixel; ``image_rmse`` is that image's own RMSE.
COLUMNS = (
    'pixels', 'squared', 'absolute', 'squared_log', 'relative', 'squared_relative',
    'delta1', 'delta2', 'delta3', 'images', 'image_rmse',
)  # fmt: skip


def image_statistics(
    pred: np.ndarray, gt: np.ndarray, *, protocol: str = 'published'
) -> np.ndarray:
    """Sum one image's errors over its measured pixels.

    Args:
        pred: Depth in metres, any shape.
        gt: Depth in metres, same shape; 0 and non-finite values are no measurement.
        protocol: Predictions are raised to a lower bound first, 1e-9 m in ``published`` and
            ``survey``, where a single negative prediction ruins ``log_rmse``, and 1 mm in
            ``clean``.

    Returns:
        ``(11,)`` float64.
    """
    valid = np.isfinite(gt) & (gt != 0)
    truth = gt[valid].astype(np.float64)
    nearest = 1e-3 if protocol == 'clean' else 1e-9
    depth = np.maximum(pred[valid].astype(np.float64), nearest)
    if not len(truth):
        return np.zeros(len(COLUMNS))
    absolute = np.abs(depth - truth)
    squared = absolute**2
    ratio = np.maximum(depth / truth, truth / depth)
    return np.array(
        [
            len(truth),
            squared.sum(),
            absolute.sum(),
            (np.log(depth / truth) ** 2).sum(),
            (absolute / truth).sum(),
            (squared / truth).sum(),
            *[(ratio < 1.25**power).sum() for power in (1, 2, 3)],
            1,
            np.sqrt(squared.mean()),
        ],
        dtype=np.float64,
    )


def summarize(stats: np.ndarray) -> dict[str, float]:
    """Compute the scores of a set of images.

    Args:
        stats: ``(N, 11)``, from :func:`image_statistics`.

    Returns:
        ``rmse`` in metres over all pixels of the set (InvPT, ATRC, the survey); ``rmse_image`` in
        metres, the mean of the images' own RMSE (ASTMT); ``mae`` in metres, the mean absolute
        error (MTAN, MTPSL); ``abs_rel``, a ratio; ``sq_rel`` in metres; ``log_rmse`` in natural
        logarithms; ``delta1``, ``delta2``, ``delta3``, percent of pixels whose ratio to the truth
        is under 1.25, 1.25^2, 1.25^3. NaN where no pixel is measured.
    """
    total = dict(zip(COLUMNS, stats.sum(axis=0).astype(np.float64), strict=True))
    pixels, images = (total[name] or np.nan for name in ('pixels', 'images'))
    return dict(
        rmse=float(np.sqrt(total['squared'] / pixels)),
        rmse_image=float(total['image_rmse'] / images),
        mae=float(total['absolute'] / pixels),
        abs_rel=float(total['relative'] / pixels),
        sq_rel=float(total['squared_relative'] / pixels),
        log_rmse=float(np.sqrt(total['squared_log'] / pixels)),
        **{name: float(100 * total[name] / pixels) for name in ('delta1', 'delta2', 'delta3')},
    )
