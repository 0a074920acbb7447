"""The cameras of one scene as a JSON file: what the converter writes and the data set reads."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameCamera:
    """The camera of one frame.

    Attributes:
        intrinsics: ``(3, 3)`` in pixels.
        pose: ``(4, 4)``, camera to the scene's world, in metres.
    """

    intrinsics: NDArray[np.float64]
    pose: NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two frames that can serve as two views.

    Attributes:
        frames: Their names.
        common_points: Sparse points that both show and both sensors measured.
        scale: Factor of the distance between the two cameras: the metres per unit at these points
            over those of the whole scene.
        spread: Difference of the quartiles of the points' ratios over their median.
        overlap: Part of the pixels of each frame, in the order of ``frames``, that the other sees.
        residual: Median relative difference of depth where one is projected onto the other.
    """

    frames: tuple[str, str]
    common_points: int
    scale: float
    spread: float
    overlap: tuple[float, float]
    residual: float


@dataclass(frozen=True)
class SceneCameras:
    """All cameras of one scene.

    Attributes:
        frames: Name -> camera, of the frames that have one.
        pairs: The usable pairs.
        metres_per_unit: Factor that was applied to COLMAP's unit.
        unregistered: Names of the frames without camera.
    """

    frames: dict[str, FrameCamera]
    pairs: list[Pair]
    metres_per_unit: float
    unregistered: list[str]

    def write(self, path: Path) -> None:
        """Write the file in one step: it is there completely or not at all."""
        content = dict(
            metres_per_unit=self.metres_per_unit,
            unregistered=self.unregistered,
            frames={
                name: dict(intrinsics=camera.intrinsics.tolist(), pose=camera.pose.tolist())
                for name, camera in self.frames.items()
            },
            pairs=[pair.__dict__ for pair in self.pairs],
        )
        temporary = path.with_name(path.name + '.tmp')
        temporary.write_text(json.dumps(content, indent=1) + '\n')
        os.replace(temporary, path)

    @classmethod
    def read(cls, path: Path) -> 'SceneCameras':
        """Read a file.

        Raises:
            ValueError: The file is damaged.
        """
        try:
            content = json.loads(path.read_text())
            return cls(
                frames={
                    name: FrameCamera(np.array(c['intrinsics']), np.array(c['pose']))
                    for name, c in content['frames'].items()
                },
                pairs=[
                    Pair(
                        frames=tuple(pair['frames']),
                        common_points=pair['common_points'],
                        scale=pair['scale'],
                        spread=pair['spread'],
                        overlap=tuple(pair['overlap']),
                        residual=pair['residual'],
                    )
                    for pair in content['pairs']
                ],
                metres_per_unit=content['metres_per_unit'],
                unregistered=content['unregistered'],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f'{path} is no file of scene cameras ({type(error).__name__}: {error}); remove it '
                'and run tools/dataset_converters/nyud_video.py again'
            ) from error
