"""Checkpoints of other programs: renamed, checked key by key, and written for ours.

A converter is a table from the other program's module names to ours. :func:`rename` applies it and
accepts neither a weight that it does not know nor a module that stays empty.
"""

from mtl3d.models.converters.convert import (
    convert_file,
    rename,
    weights_of_checkpoint,
)

__all__ = ['convert_file', 'rename', 'weights_of_checkpoint']
