"""The result of a relation search, as a file that a config reads."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.engine.atomic_backend import AtomicBackend
from mtl3d.engine.hooks.relation_search_hook import search_decoder
from mtl3d.models.decoders.genotype import genotype_to_json
from mtl3d.registry import HOOKS


@HOOKS.register_module()
class GenotypeHook(Hook):
    """Write the genotype that the search prefers, after each validation and at the end.

    The file lies in the work dir and is replaced atomically, so that a config with
    ``model.decoder.genotype='<work dir>/genotype.json'`` can be started at any time.

    Args:
        filename: Name of the file.

    Raises:
        ValueError: When training starts, the decoder searches nothing.
    """

    def __init__(self, *, filename: str = 'genotype.json') -> None:
        self.filename = filename

    def before_train(self, runner: Runner) -> None:
        """Refuse a model without a search."""
        search_decoder(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write what is preferred at this validation."""
        self._write(runner)

    def after_train(self, runner: Runner) -> None:
        """Write the result of the whole search."""
        self._write(runner)

    @master_only
    def _write(self, runner: Runner) -> None:
        text = genotype_to_json(search_decoder(runner).genotype(), runner.iter)
        AtomicBackend().put_text(text, Path(runner.work_dir, self.filename))
