"""What all data sets of images with several label maps share."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from numpy.typing import NDArray

from mtl3d.registry import TRANSFORMS
from mtl3d.utils.config import nearest

Reader = Callable[[str], NDArray | None] | partial


class LabelPattern(NamedTuple):
    """Where one task's label files are and how they are read.

    Attributes:
        path: Path below the data root, with ``{id}`` in the place of the image id.
        read: A module-level function, or a ``functools.partial`` of one, from a path to an array in
            the layout of :data:`~mtl3d.structures.LABEL_SPECS` (see
            :mod:`mtl3d.datasets.label_readers`).
    """

    path: str
    read: Reader


class LabelFile(NamedTuple):
    """One label file that exists, and its reader."""

    path: str
    read: Reader


class MultiTaskDataset(BaseDataset):
    """Images listed by a text file of ids, with one label file per image and task.

    A subclass says by two tables where files are: see :attr:`IMAGE_FILES` and :attr:`LABEL_FILES`.
    A missing label file means "not annotated". Everything else that is missing (the data root, the
    list, an image, a task's whole folder) is one error before any work starts.

    An item of ``data_list`` is ``dict(img_id, img_path, labels={task: LabelFile})``; the transforms
    ``LoadImage`` and ``LoadLabels`` read the files.

    Args:
        data_root: Folder of the extracted archive.
        ann_file: Text file with one image id per line, relative to the data root.
        tasks: Tasks whose labels are loaded; None for all of the data set. A model ignores labels
            of tasks that it does not have, so a single-task model of the published recipe keeps
            ``semseg`` here, which ``RandomCrop`` looks at.
        data_fraction: Part of the images to use, in (0, 1]; ``floor(n * data_fraction)`` of them,
            chosen by a hash of their ids, so the same ones in each run, for each method and on each
            machine; a smaller fraction is a subset of a larger one.
        fraction_seed: Chooses another subset.
        metainfo: Overrides entries of ``METAINFO``.
        pipeline: Transforms.
        indices: As in MMEngine: the first (or these) images only.
        test_mode: As in MMEngine.
        serialize_data: As in MMEngine.
        lazy_init: As in MMEngine: read nothing until first used.

    Raises:
        ValueError: An unknown task, a fraction outside (0, 1], an empty list, or a task folder with
            files of another format.
        FileNotFoundError: The data root, the list, images or a task's folder are missing.
    """

    #: Candidates of an image's path below the data root; the first that exists counts.
    IMAGE_FILES: ClassVar[Sequence[str]] = ()
    #: Task -> candidates of its label file; the first that exists counts.
    LABEL_FILES: ClassVar[Mapping[str, Sequence[LabelPattern]]] = {}

    def __init__(
        self,
        *,
        data_root: str,
        ann_file: str,
        tasks: Sequence[str] | None = None,
        data_fraction: float = 1.0,
        fraction_seed: int = 0,
        metainfo: Mapping[str, Any] | None = None,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        serialize_data: bool = True,
        lazy_init: bool = False,
    ) -> None:
        self.tasks = tuple(self.LABEL_FILES if tasks is None else tasks)
        for task in self.tasks:
            if task not in self.LABEL_FILES:
                raise ValueError(
                    f"tasks: {type(self).__name__} has no labels of '{task}'. "
                    f'{nearest(task, self.LABEL_FILES)}'
                )
        if not 0 < data_fraction <= 1:
            raise ValueError(f'data_fraction={data_fraction} is not in (0, 1]')
        self.data_fraction = data_fraction
        self.fraction_seed = fraction_seed
        super().__init__(
            ann_file=ann_file,
            metainfo=metainfo,
            data_root=data_root,
            data_prefix={},
            indices=indices,
            serialize_data=serialize_data,
            # Built here because MMEngine's Compose looks only where the default scope points.
            pipeline=[TRANSFORMS.build(dict(t)) if isinstance(t, Mapping) else t for t in pipeline],
            test_mode=test_mode,
            lazy_init=lazy_init,
        )
        self._metainfo['tasks'] = self.tasks

    def _copy_without_annotation(self, memo: dict | None = None) -> 'MultiTaskDataset':
        """Copy all but the annotations, for ``get_subset``.

        MMEngine's default ``memo`` is one dict for all calls. It remembers copies by the address of
        their originals, and addresses are used again: a subset could get a part of another data
        set. Delete when MMEngine makes a new dict for each call.
        """
        return super()._copy_without_annotation({} if memo is None else memo)

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the images of the split and the label files that exist.

        Returns:
            One dict per image: ``img_id``, ``img_path`` and ``labels``.

        Raises:
            ValueError: See the class.
            FileNotFoundError: See the class.
        """
        ids = hash_subset(self._read_ids(), self.data_fraction, self.fraction_seed)
        folders = FolderListing(self.data_root)
        images = {img_id: folders.first(self.IMAGE_FILES, img_id) for img_id in ids}
        missing = [img_id for img_id, path in images.items() if path is None]
        if missing:
            candidates = ' or '.join(pattern.format(id=missing[0]) for pattern in self.IMAGE_FILES)
            raise FileNotFoundError(
                f'{self.ann_file} (ann_file) names {len(missing)} of {len(ids)} images that are '
                f"not there: for the id '{missing[0]}' no {candidates} below data_root="
                f"'{self.data_root}'. Extract the archive again, or remove the ids from the list."
            )
        data_list: list[dict[str, Any]] = [
            dict(img_id=img_id, img_path=path, labels={}) for img_id, path in images.items()
        ]
        for task in self.tasks:
            self._find_labels(task, data_list, folders)
        counts = ', '.join(
            f'{task} {sum(task in info["labels"] for info in data_list)}' for task in self.tasks
        )
        print_log(
            f'{type(self).__name__} {self.ann_file}: {len(data_list)} images; labels: {counts}',
            logger='current',
        )
        return data_list

    def _read_ids(self) -> list[str]:
        name = type(self).__name__
        if not Path(self.data_root).is_dir():
            raise FileNotFoundError(
                f"data_root='{self.data_root}' of {name} is not a folder. Set the environment "
                'variable DATA_ROOT (or data_root in the config) to the extracted archive; '
                'docs/datasets.md tells where to get it and how it must look.'
            )
        if not Path(self.ann_file).is_file():
            raise FileNotFoundError(
                f"ann_file='{self.ann_file}' of {name} is missing. It lists one image id per line; "
                'check that data_root points at the folder that contains it.'
            )
        lines = Path(self.ann_file).read_text().splitlines()
        ids = [line.strip() for line in lines if line.strip()]
        if not ids:
            raise ValueError(
                f"ann_file='{self.ann_file}' of {name} is empty: one image id per line"
            )
        return ids

    def _find_labels(
        self, task: str, data_list: list[dict[str, Any]], folders: 'FolderListing'
    ) -> None:
        """Enter the task's label files into the list, or explain why there is none."""
        patterns = self.LABEL_FILES[task]
        found = False
        for info in data_list:
            for pattern in patterns:
                path = folders.first([pattern.path], info['img_id'])
                if path is not None:
                    info['labels'][task] = LabelFile(path, pattern.read)
                    found = True
                    break
        if found:
            return
        where = [pattern.path for pattern in patterns]
        parents = [Path(self.data_root, path.split('{id}')[0]) for path in where]
        present = [parent for parent in dict.fromkeys(parents) if parent.is_dir()]
        if not present:
            raise FileNotFoundError(
                f"tasks: '{task}' of {type(self).__name__} has no folder "
                f"'{' or '.join(dict.fromkeys(map(str, parents)))}'. Extract that part of the "
                f"archive, or take '{task}' out of `tasks`; an empty folder means that no image is "
                'annotated.'
            )
        stray = next((entry for folder in present for entry in sorted(folder.iterdir())), None)
        if stray is not None:
            raise ValueError(
                f"tasks: no label of '{task}' belongs to an image of {self.ann_file}: expected "
                f"{' or '.join(where)}, found for example '{stray}'. This looks like another "
                'archive; docs/datasets.md lists the layouts that are read.'
            )
        print_log(
            f"{type(self).__name__}: no image of {self.ann_file} has a label of '{task}'",
            logger='current',
            level=logging.WARNING,
        )


class FolderListing:
    """Which files exist below a root, by one listing per folder instead of one look-up per file.

    Args:
        root: The root of all paths.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._names: dict[Path, frozenset[str]] = {}

    def first(self, patterns: Sequence[str], img_id: str) -> str | None:
        """Find the first pattern whose file exists.

        Args:
            patterns: Paths below the root with ``{id}`` in the place of the id.
            img_id: The id; it may contain folders.

        Returns:
            The path including the root, or None.
        """
        for pattern in patterns:
            path = self.root / pattern.format(id=img_id)
            if path.parent not in self._names:
                entries = path.parent.iterdir() if path.parent.is_dir() else ()
                self._names[path.parent] = frozenset(entry.name for entry in entries)
            if path.name in self._names[path.parent]:
                return str(path)
        return None


def hash_subset(ids: Sequence[str], fraction: float, seed: int) -> list[str]:
    """Choose a part of the ids that depends on nothing but the ids and the seed.

    Args:
        ids: All ids.
        fraction: In (0, 1].
        seed: Chooses another subset.

    Returns:
        ``floor(len(ids) * fraction)`` ids, at least one, in their original order.
    """
    count = max(int(len(ids) * fraction + 1e-9), 1)  # 100 * 0.29 is 28.999999999999996
    ranked = sorted(ids, key=lambda img_id: hashlib.sha256(f'{seed}:{img_id}'.encode()).digest())
    chosen = set(ranked[:count])
    return [img_id for img_id in ids if img_id in chosen]
