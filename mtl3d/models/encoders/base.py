"""Features of methods that split the tasks inside the encoder."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class TaskFeatures:
    """What such an encoder returns, in place of one tuple of shared features.

    Attributes:
        per_task: Task -> its own features, high resolution first, with the encoder's
            ``out_channels``.
        shared: Features common to all tasks, for the regularizer, with the encoder's
            ``shared_channels``; None for methods without any.
    """

    per_task: dict[str, tuple[Tensor, ...]]
    shared: tuple[Tensor, ...] | None = None


def shared_features(features: tuple[Tensor, ...] | TaskFeatures) -> tuple[Tensor, ...]:
    """Take the features that all tasks share; the encoder must have some."""
    if not isinstance(features, TaskFeatures):
        return features
    assert features.shared is not None, 'MultiTaskModel has refused a regularizer'
    return features.shared
