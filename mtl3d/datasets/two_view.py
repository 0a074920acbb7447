"""Items of two views, from any data set whose items have cameras."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mtl3d.geometry.depth_maps import depth_residual, overlap
from mtl3d.registry import DATASETS

#: Every how many pixels the overlap of two views looks at the depth.
STRIDE = 4


@DATASETS.register_module()
class TwoViewDataset(Dataset):
    """Give items of another data set a second view of the same scene, drawn anew each time.

    The other data set's items may have ``scene``, ``frame`` (a number), ``intrinsics`` ``(3, 3)``
    and ``pose`` ``(4, 4)``, camera to world in metres. A partner is another frame of the scene at
    an allowed distance that sees enough of the same: the part of *its* measured pixels that the
    first view sees, since its labels supervise what is rendered from the first view's volume. That
    is computed once from depth and poses, or taken from the item's ``partners``, the id of each
    admissible partner -> (overlap, factor of the distance between the two cameras).

    An item without partners stays as it is: a batch may mix both kinds.

    Args:
        dataset: Config of the data set, or the data set. Its pipeline treats both views; ``second``
            is the second one.
        min_distance: Smallest distance of the two frame numbers.
        max_distance: Largest distance of the two frame numbers.
        min_overlap: Smallest overlap. 0 reads no depth.
        prob: Probability of giving an item its second view.

    Raises:
        ValueError: A range is empty, a number is out of range, or no item at all has a partner.
    """

    def __init__(
        self,
        *,
        dataset: Mapping[str, Any] | BaseDataset,
        min_distance: int = 1,
        max_distance: int = 5,
        min_overlap: float = 0.3,
        prob: float = 1.0,
    ) -> None:
        if not 0 < min_distance <= max_distance:
            raise ValueError(
                f'min_distance={min_distance}, max_distance={max_distance}: they must satisfy '
                '0 < min_distance <= max_distance'
            )
        for name, value in dict(min_overlap=min_overlap, prob=prob).items():
            if not 0 <= value <= 1:
                raise ValueError(f'{name}={value} is not in [0, 1]')
        self.dataset: BaseDataset = (
            DATASETS.build(dict(dataset)) if isinstance(dataset, Mapping) else dataset
        )
        self.min_distance = min_distance
        self.max_distance = max_distance
        self.min_overlap = min_overlap
        self.prob = prob
        #: Index of an item -> its partners: (index, factor of the distance between the cameras).
        self.partners: dict[int, list[tuple[int, float]]] = {}
        self._initialized = False
        if self.dataset._fully_initialized:
            self.full_init()

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the data set says about itself."""
        return deepcopy(self.dataset.metainfo)

    def full_init(self) -> None:
        """Read the lists and find the partners."""
        if self._initialized:
            return
        self.dataset.full_init()
        infos = [self.dataset.get_data_info(index) for index in range(len(self.dataset))]
        scenes: dict[Any, list[int]] = {}
        for index, info in enumerate(infos):
            if info.get('pose') is not None:
                scenes.setdefault(info.get('scene'), []).append(index)
        for members in scenes.values():
            self._pair(members, infos)
        if not self.partners:
            raise ValueError(
                f'no item of {type(self.dataset).__name__} has a second view: '
                f'{sum(map(len, scenes.values()))} of {len(infos)} have a pose, in {len(scenes)} '
                f'scenes; min_distance={self.min_distance}, max_distance={self.max_distance}, '
                f'min_overlap={self.min_overlap}. Widen these limits, or see where poses come from '
                '(docs/cross_view.md)'
            )
        choices = sum(map(len, self.partners.values())) / len(self.partners)
        print_log(
            f'{type(self).__name__}: {len(self.partners)} of {len(infos)} items have a second '
            f'view, {choices:.1f} to choose from',
            logger='current',
        )
        self._initialized = True

    def _pair(self, members: list[int], infos: list[dict[str, Any]]) -> None:
        """Find the partners of the items of one scene."""
        thin: dict[int, NDArray] = {}

        def depth(index: int) -> NDArray:
            if index not in thin:
                label = infos[index]['labels'].get('depth')
                if label is None:
                    raise ValueError(
                        f"min_overlap={self.min_overlap} needs the depth of '"
                        f"{infos[index]['img_id']}', which has no such label; set min_overlap=0"
                    )
                thin[index] = label.read(label.path)[::STRIDE, ::STRIDE]
            return thin[index]

        members = sorted(members, key=lambda index: infos[index]['frame'])
        frames = [infos[index]['frame'] for index in members]
        for first, frame in zip(members, frames, strict=True):
            low = bisect_left(frames, frame - self.max_distance)
            high = bisect_right(frames, frame + self.max_distance)
            known = infos[first].get('partners')
            found = []
            for second in members[low:high]:
                if abs(frame - infos[second]['frame']) < self.min_distance:
                    continue
                scale = 1.0
                if known is not None:
                    seen, scale = known.get(infos[second]['img_id'], (-1.0, 1.0))
                elif self.min_overlap > 0:
                    seen = self._overlap(infos[second], depth(second), infos[first], depth(first))
                else:
                    seen = 1.0
                if seen >= self.min_overlap:
                    found.append((second, scale))
            if found:
                self.partners[first] = found

    @staticmethod
    def _overlap(
        view: Mapping[str, Any], depth: NDArray, other: Mapping[str, Any], other_depth: NDArray
    ) -> float:
        """Compute the part of a view's pixels that another view sees."""
        shrink = np.diag([1 / STRIDE, 1 / STRIDE, 1])
        residual = depth_residual(
            depth,
            shrink @ view['intrinsics'],
            other_depth,
            shrink @ other['intrinsics'],
            np.linalg.inv(other['pose']) @ view['pose'],
        )
        return overlap(residual, depth)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Return an item before the pipeline, with its second view where one is drawn."""
        self.full_init()
        info = self.dataset.get_data_info(index)
        partners = self.partners.get(index)
        if partners and random.random() < self.prob:
            other, scale = random.choice(partners)
            second = self.dataset.get_data_info(other)
            between = np.linalg.inv(info['pose']) @ second['pose']
            between[:3, 3] *= scale
            second['pose'] = info['pose'] @ between
            info['second'] = second
        return info

    def __getitem__(self, index: int) -> Any:
        """Return an item after the data set's pipeline."""
        return self.dataset.pipeline(self.get_data_info(index))

    def __len__(self) -> int:
        """Count the items."""
        self.full_init()
        return len(self.dataset)
