"""Registries: complete, lazy, and helpful when a name is wrong."""

import subprocess
import sys

import pytest
from mmengine import registry as root
from mmengine.registry import Registry

from mtl3d import registry


def test_every_root_has_a_child_in_our_scope():
    roots = {v.name: v for v in vars(root).values() if isinstance(v, Registry)}
    children = {v.name for v in vars(registry).values() if isinstance(v, Registry)}
    assert set(roots) <= children
    for parent in roots.values():
        assert 'mtl3d' in parent.children


def test_importing_the_package_is_cheap():
    code = "import mtl3d, sys; sys.exit('torch' in sys.modules or 'mmengine' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


CONTRACT = {
    'MODELS': [
        'MultiTaskModel', 'MultiTaskDataPreprocessor', 'TimmBackbone', 'InvPTDecoder',
        'SingleHeadsDecoder', 'TriplaneRegularizer', 'AuxiliaryHeads', 'ConvHead',
    ],
    'TASKS': [
        'SemSegTask', 'HumanPartsTask', 'DepthTask', 'NormalsTask', 'EdgeTask', 'SaliencyTask',
    ],
    'DATASETS': ['NYUDv2Dataset', 'PASCALContextDataset', 'SynthRoomsDataset'],
    'METRICS': [
        'SemSegMetric', 'HumanPartsMetric', 'DepthMetric', 'NormalsMetric', 'EdgeMetric',
        'SaliencyMetric', 'MultiTaskDelta',
    ],
    'HOOKS': ['AlphaRampHook', 'MultiTaskVisualizationHook'],
}  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'member'), [(name, member) for name, members in CONTRACT.items() for member in members]
)
def test_public_names_are_found_without_imports(name, member):
    assert getattr(registry, name).get(member) is not None
