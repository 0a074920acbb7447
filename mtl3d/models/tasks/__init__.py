"""What a task is: its channels, its loss, and how raw predictions become results."""

from mtl3d.models.tasks.base import Task

__all__ = ['Task']
