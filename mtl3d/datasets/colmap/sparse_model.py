"""COLMAP's sparse models: make one from pictures, or read one. Needs the package pycolmap."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Up to this many images are matched each with each, beyond only with their neighbours in time.
EXHAUSTIVE_UP_TO = 40

#: Pixels that a match may be off the epipolar line.
MAX_ERROR = 3.0


class ReconstructionError(RuntimeError):
    """COLMAP could not make a usable model of a scene; the message says why."""


@dataclass(frozen=True)
class SparseView:
    """One registered image of a sparse model; lengths are in the model's own unit.

    Attributes:
        size: (H, W) of the image.
        intrinsics: ``(3, 3)``; the centre of the first pixel is (0, 0).
        to_camera: ``(4, 4)``, from the model's world to camera coordinates.
        pixels: ``(n, 2)``, where the image shows points of the model.
        point_ids: ``(n,)`` int64, which points these are.
        depths: ``(n,)``, their depths along z.
    """

    size: tuple[int, int]
    intrinsics: NDArray[np.float64]
    to_camera: NDArray[np.float64]
    pixels: NDArray[np.float64]
    point_ids: NDArray[np.int64]
    depths: NDArray[np.float64]


def reconstruct(
    images: Mapping[str, Path],
    intrinsics: NDArray,
    work_dir: Path,
    *,
    threads: int = 1,
    seed: int = 0,
) -> dict[str, SparseView]:
    """Run COLMAP: features, matches, incremental mapping with known intrinsics.

    Source: J. Schoenberger and J.-M. Frahm, "Structure-from-Motion Revisited", CVPR 2016.

    Args:
        images: Name -> picture, in the order of time; all by one camera.
        intrinsics: ``(3, 3)``, with the first pixel's centre at (0, 0).
        work_dir: An empty folder for the data base and the model; the caller removes it.
        threads: Number of threads.
        seed: Of COLMAP's random numbers.

    Returns:
        Name -> registered view, of the largest model; unregistered images are left out.

    Raises:
        ReconstructionError: COLMAP finds no model.
        ImportError: pycolmap is not installed.
    """
    colmap = require_pycolmap()
    colmap.set_random_seed(seed)
    pictures, database = work_dir / 'images', work_dir / 'database.db'
    pictures.mkdir()
    names = {}
    for index, (name, path) in enumerate(images.items()):
        # COLMAP pairs neighbours by the order of file names.
        file = f'{index:06d}{path.suffix}'
        (pictures / file).symlink_to(path.resolve())
        names[file] = name
    focal_x, focal_y, x, y = intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]]
    reader = colmap.ImageReaderOptions()
    reader.camera_model = 'PINHOLE'
    reader.camera_params = f'{focal_x},{focal_y},{x + 0.5},{y + 0.5}'
    extraction = colmap.FeatureExtractionOptions()
    matching = colmap.FeatureMatchingOptions()
    for options in (extraction, matching):
        options.num_threads = threads
        options.use_gpu = False
    colmap.extract_features(
        database,
        pictures,
        list(names),
        camera_mode=colmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=extraction,
        device=colmap.Device.cpu,
    )
    # Against COLMAP's defaults twice the points, and models that depend less on the seed.
    matching.guided_matching = True
    verification = colmap.TwoViewGeometryOptions()
    verification.ransac.max_error = MAX_ERROR
    match = colmap.match_exhaustive if len(names) <= EXHAUSTIVE_UP_TO else colmap.match_sequential
    match(
        database,
        matching_options=matching,
        verification_options=verification,
        device=colmap.Device.cpu,
    )
    mapping = colmap.IncrementalPipelineOptions()
    mapping.num_threads = threads
    mapping.random_seed = seed
    mapping.min_model_size = 2
    mapping.ba_refine_focal_length = False
    mapping.ba_refine_principal_point = False
    mapping.ba_refine_extra_params = False
    mapping.extract_colors = False
    sparse = work_dir / 'sparse'
    sparse.mkdir()
    models = colmap.incremental_mapping(database, pictures, sparse, mapping)
    if not models:
        raise ReconstructionError(
            f'COLMAP found no model of its {len(names)} images: too few matches between them'
        )
    largest = max(models.values(), key=lambda model: model.num_reg_images())
    return {names[file]: view for file, view in _views(largest).items()}


def read_sparse_model(folder: Path) -> dict[str, SparseView]:
    """Read a model that COLMAP wrote, text or binary.

    Args:
        folder: Holds ``images.bin`` or ``images.txt`` and so on, directly or in ``sparse/<n>`` or
            ``<n>``; of several models the one with most images counts.

    Returns:
        Name of the image, without folder and suffix -> registered view.

    Raises:
        FileNotFoundError: There is no model.
        ValueError: The model is damaged, or its cameras have lens distortion.
        ImportError: pycolmap is not installed.
    """
    colmap = require_pycolmap()
    candidates = [folder, *sorted(folder.glob('sparse/*')), *sorted(folder.glob('[0-9]*'))]
    found = [f for f in candidates if any((f / f'images.{s}').is_file() for s in ('bin', 'txt'))]
    if not found:
        raise FileNotFoundError(
            f"'{folder}' has no COLMAP model: expected cameras, images and points3D (.bin or .txt) "
            'in it, in sparse/0 or in 0'
        )
    models = []
    for path in found:
        try:
            models.append(colmap.Reconstruction(path))
        except (ValueError, RuntimeError, IndexError) as error:
            raise ValueError(f"'{path}' is no readable COLMAP model: {error}") from error
    largest = max(models, key=lambda model: model.num_reg_images())
    return {Path(name).stem: view for name, view in _views(largest).items()}


def _views(model: Any) -> dict[str, SparseView]:
    views = {}
    for image_id in model.reg_image_ids():
        image = model.images[image_id]
        camera = image.camera
        if not camera.is_undistorted():
            raise ValueError(
                f"the camera of '{image.name}' ({camera.model_name}) has lens distortion; "
                'undistort the images first (COLMAP: image_undistorter)'
            )
        observed = [p for p in image.points2D if p.has_point3D()]
        pose = image.cam_from_world
        matrix = (pose() if callable(pose) else pose).matrix()
        ids = np.array([p.point3D_id for p in observed], dtype=np.int64)
        points = np.array([model.points3D[i].xyz for i in ids]).reshape(-1, 3)
        intrinsics = np.array(camera.calibration_matrix(), dtype=np.float64)
        intrinsics[:2, 2] -= 0.5  # COLMAP's first pixel has its centre at (0.5, 0.5)
        views[image.name] = SparseView(
            size=(camera.height, camera.width),
            intrinsics=intrinsics,
            to_camera=np.vstack([matrix, (0, 0, 0, 1)]),
            pixels=np.array([p.xy for p in observed]).reshape(-1, 2) - 0.5,
            point_ids=ids,
            depths=points @ matrix[2, :3] + matrix[2, 3],
        )
    return views


def require_pycolmap() -> Any:
    """Import pycolmap, silenced.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import pycolmap
    except ImportError as error:
        raise ImportError(
            'COLMAP is needed here: pip install pycolmap (see requirements/optional.txt)'
        ) from error
    pycolmap.logging.minloglevel = 3  # fatal errors; failures are reported by this module
    return pycolmap


def common_points(
    first: SparseView, second: SparseView
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the points that both views show, as indices into each view's lists."""
    _, mine, theirs = np.intersect1d(first.point_ids, second.point_ids, return_indices=True)
    return mine, theirs
