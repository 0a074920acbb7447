"""Read the labels of a data set item."""

from typing import Any

from mmcv.transforms import BaseTransform

from mtl3d.datasets.transforms.fields import Results, views
from mtl3d.datasets.transforms.functional import resize_directions, resize_label
from mtl3d.registry import TRANSFORMS
from mtl3d.structures import LABEL_SPECS


@TRANSFORMS.register_module()
class LoadLabels(BaseTransform):
    """Read each of ``labels`` into ``gt_<task>`` and list the tasks in ``task_fields``.

    A label whose file says "nothing annotated" is left out, like one without a file.

    Args:
        resize: Bring a label of another size than the image to the image's size: directions
            bicubically, all else by the nearest pixel. The public PASCAL-Context archives are read
            this way by the published code. By default another size is an error, because it usually
            means that image and label belong to different archives.

    Raises:
        ValueError: A file cannot be read, holds impossible values, or has another size.
    """

    def __init__(self, *, resize: bool = False) -> None:
        self.resize = resize

    def transform(self, results: Results) -> Results:
        for view in views(results):
            self._load(view)
        return results

    def _load(self, results: Results) -> None:
        size = results['img'].shape[:2]
        for task, (path, read) in results['labels'].items():
            label = self._read(task, path, read, results)
            if label is None:
                continue
            if label.shape[:2] != size:
                if not self.resize:
                    raise ValueError(
                        f"label '{task}' of image '{results.get('img_id', '')}', {path}: its size "
                        f'{label.shape[:2]} is not the size {size} of the image '
                        f'{results["img_path"]}. Use labels and images of one archive, or let '
                        'LoadLabels(resize=True) resize them.'
                    )
                directions = LABEL_SPECS[task].is_direction
                label = (resize_directions if directions else resize_label)(label, size)
            results[f'gt_{task}'] = label
            results['task_fields'].append(task)

    @staticmethod
    def _read(task: str, path: str, read: Any, results: Results) -> Any:
        """Call the reader; whatever it raises, say which label of which image it was."""
        where = f"label '{task}' of image '{results.get('img_id', '')}', {path}"
        try:
            return read(path)
        except ValueError as error:
            raise ValueError(f'{where}: {error}.') from error
        # A broken file raises what its format's library likes, from zlib.error to SyntaxError.
        except Exception as error:
            raise ValueError(
                f'{where}: cannot be read: {error}. Extract or download the file again, or remove '
                'it: a label without a file counts as "not annotated".'
            ) from error
