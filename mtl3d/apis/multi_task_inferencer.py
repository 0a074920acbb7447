"""From files or arrays to predictions, panels and prediction files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from rich.progress import Progress

from mtl3d.apis.inference import ImageLike, inference_model, init_model
from mtl3d.evaluation.predictions import Storage, write_outputs
from mtl3d.models.multi_task_model import Outputs
from mtl3d.structures import MultiTaskDataSample
from mtl3d.utils.image_io import IMAGE_SUFFIXES, read_picture, write_png
from mtl3d.visualization.panel import draw_panel, sample_rows


class MultiTaskInferencer:
    """A model that takes images as they come.

    Args:
        config: A config file, or the loaded config.
        checkpoint: See :func:`mtl3d.apis.init_model`.
        device: Where the model runs; by default the first GPU, or the CPU.
        cfg_options: Dotted key -> value, merged into the config.

    Raises:
        FileNotFoundError: The config or the checkpoint does not exist.
        ValueError: The checkpoint does not fit.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        cfg_options: Mapping[str, Any] | None = None,
    ) -> None:
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.model = init_model(config, checkpoint, device, cfg_options)

    def __call__(
        self,
        inputs: ImageLike | Sequence[ImageLike],
        *,
        batch_size: int = 1,
        outputs: Outputs | None = None,
        out_dir: str | Path | None = None,
        storage: Storage = 'png',
        show_progress: bool = True,
    ) -> list[MultiTaskDataSample]:
        """Predict every task of all images; the arguments are those of :meth:`stream`.

        Returns:
            One sample per image, on the CPU, with ``pred`` at the image's own size.
        """
        return list(
            self.stream(
                inputs,
                batch_size=batch_size,
                outputs=outputs,
                out_dir=out_dir,
                storage=storage,
                show_progress=show_progress,
            )
        )

    def stream(
        self,
        inputs: ImageLike | Sequence[ImageLike],
        *,
        batch_size: int = 1,
        outputs: Outputs | None = None,
        out_dir: str | Path | None = None,
        storage: Storage = 'png',
        show_progress: bool = True,
    ) -> Iterator[MultiTaskDataSample]:
        """Predict every task of all images one after the other, for more than fit into memory.

        Args:
            inputs: An image file, a folder (all its images, by name), an ``(H, W, 3)`` uint8 RGB
                array, or a list of files and arrays.
            batch_size: Images per forward pass.
            outputs: As for ``MultiTaskModel.predict``.
            out_dir: Write ``panels/<img_id>.png`` and ``heads/<task>/<img_id>.png`` (of other
                outputs beside it), see :func:`mtl3d.evaluation.predictions.write_predictions`.
            storage: ``png`` or the lossless ``npy``.
            show_progress: Draw a progress bar.

        Yields:
            One sample per image, on the CPU, with ``pred`` at the image's own size.

        Raises:
            FileNotFoundError: A file or folder does not exist, or the folder holds no image.
            ValueError: A file is not an image, two files have the same stem, or ``batch_size`` is
                not positive.
        """
        if batch_size < 1:
            raise ValueError(f'batch_size={batch_size}: it must be at least 1')
        images = list_images(inputs)
        ids = unique_ids(images)
        with Progress(disable=not show_progress) as progress:
            bar = progress.add_task('predicting', total=len(images))
            for start in range(0, len(images), batch_size):
                sources = images[start : start + batch_size]
                batch = [load(image) for image in sources]  # once, for the model and the panel
                samples = inference_model(self.model, batch, outputs=outputs)
                for offset, sample in enumerate(samples):
                    source = sources[offset]
                    path = None if isinstance(source, np.ndarray) else str(source)
                    sample.set_metainfo(dict(img_id=ids[start + offset], img_path=path))
                    sample = sample.cpu()
                    if out_dir is not None:
                        self._save(batch[offset], sample, Path(out_dir), storage)
                    progress.advance(bar)
                    yield sample

    def _save(
        self,
        image: np.ndarray,
        sample: MultiTaskDataSample,
        folder: Path,
        storage: Storage,
    ) -> None:
        write_outputs(sample, folder, storage=storage)
        name = sample.get('img_id')
        panel = draw_panel(
            image, sample_rows(sample), metainfo=self.model.dataset_meta, caption=name
        )
        write_png(folder / 'panels' / f'{name}.png', panel)


def list_images(inputs: ImageLike | Sequence[ImageLike]) -> list[ImageLike]:
    """List the images that an input stands for, without reading them.

    Args:
        inputs: A file, a folder, an array, or a list of files and arrays.

    Returns:
        Files and arrays; a folder's files sorted by name.

    Raises:
        FileNotFoundError: A path does not exist, or a folder holds no image.
    """
    if isinstance(inputs, np.ndarray):
        return [inputs]
    if not isinstance(inputs, (str, Path)):
        return [image for entry in inputs for image in list_images(entry)]
    path = Path(inputs)
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise FileNotFoundError(f'no image in {path} (looked for {", ".join(IMAGE_SUFFIXES)})')
        return list(files)
    if not path.is_file():
        raise FileNotFoundError(f'no such file or folder: {path}')
    return [path]


def unique_ids(images: Sequence[ImageLike]) -> list[str]:
    """Name the images: the stem of a file, the position of an array.

    Raises:
        ValueError: Two images would have the same name.
    """
    ids: dict[str, Any] = {}
    for index, image in enumerate(images):
        name = f'{index:06d}' if isinstance(image, np.ndarray) else Path(image).stem
        if name in ids:
            raise ValueError(
                f"{ids[name]} and {image} would both be called '{name}': rename one of them"
            )
        ids[name] = f'array {index}' if isinstance(image, np.ndarray) else image
    return list(ids)


def load(image: ImageLike) -> np.ndarray:
    """Read a file; hand an array through."""
    return image if isinstance(image, np.ndarray) else read_picture(image)
