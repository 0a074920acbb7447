"""Hooks of the training run, one concept each."""

from mtl3d.engine.hooks.activation_checkpointing_hook import ActivationCheckpointingHook
from mtl3d.engine.hooks.alpha_ramp_hook import AlphaRampHook
from mtl3d.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from mtl3d.engine.hooks.compile_hook import CompileHook
from mtl3d.engine.hooks.genotype_hook import GenotypeHook
from mtl3d.engine.hooks.interrupt_hook import InterruptHook
from mtl3d.engine.hooks.plain_checkpoint_hook import PlainCheckpointHook
from mtl3d.engine.hooks.prediction_writer_hook import PredictionWriterHook
from mtl3d.engine.hooks.random_state_hook import RandomStateHook
from mtl3d.engine.hooks.relation_search_hook import RelationSearchHook
from mtl3d.engine.hooks.results_table_hook import ResultsTableHook
from mtl3d.engine.hooks.sync_statistics_hook import SyncStatisticsHook

__all__ = [
    'ActivationCheckpointingHook',
    'AlphaRampHook',
    'AtomicCheckpointHook',
    'CompileHook',
    'GenotypeHook',
    'InterruptHook',
    'PlainCheckpointHook',
    'PredictionWriterHook',
    'RandomStateHook',
    'RelationSearchHook',
    'ResultsTableHook',
    'SyncStatisticsHook',
]
