"""Read the image of a data set item."""

from mmcv.transforms import BaseTransform

from mtl3d.datasets.transforms.fields import Results, views
from mtl3d.registry import TRANSFORMS
from mtl3d.utils.image_io import read_picture


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read ``img_path`` into ``img`` and begin an empty list of labels.

    Shape:
        ``img``: ``(H, W, 3)`` uint8 RGB.

    Raises:
        ValueError: The file cannot be read, for instance because it is truncated.
    """

    def transform(self, results: Results) -> Results:
        for view in views(results):
            self._load(view)
        return results

    @staticmethod
    def _load(results: Results) -> None:
        path = results['img_path']
        try:
            image = read_picture(path, upright=False)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"img_path: cannot read the image of '{results.get('img_id', '')}': {error}. Or "
                'take its id out of the list.'
            ) from error
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        results['task_fields'] = []
