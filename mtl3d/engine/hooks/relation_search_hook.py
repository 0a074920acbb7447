"""The schedules of ATRC's relation search."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.models.decoders import ATRCSearchDecoder
from mtl3d.registry import HOOKS
from mtl3d.utils.modules import unwrapped


@HOOKS.register_module()
class RelationSearchHook(Hook):
    """Cool the search and let it decide: temperature and entropy weight, linear in the iteration.

    Both run from their first to their second value over the whole training (Bruggemann et al.,
    ATRC, ICCV 2021). A negative entropy weight rewards undecided pairs, so the search explores in
    the first quarter. They depend on the iteration alone, so a resumed run continues exactly, and
    are logged as ``train/temperature`` and ``train/entropy_weight``.

    Args:
        temperature: Of the Gumbel-softmax.
        entropy_weight: Factor of the mean entropy in the loss.

    Raises:
        ValueError: A temperature is not positive, or, when training starts, the decoder searches
            nothing.
    """

    def __init__(
        self,
        *,
        temperature: tuple[float, float] = (1.0, 0.05),
        entropy_weight: tuple[float, float] = (-0.02, 0.06),
    ) -> None:
        if min(temperature) <= 0:
            raise ValueError(f'temperature={temperature}: must be positive')
        self.temperature = temperature
        self.entropy_weight = entropy_weight

    def before_train(self, runner: Runner) -> None:
        """Refuse a model without a search."""
        search_decoder(runner)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set and log both values."""
        progress = runner.iter / runner.max_iters
        temperature = _between(self.temperature, progress)
        entropy_weight = _between(self.entropy_weight, progress)
        decoder = search_decoder(runner)
        decoder.set_temperature(temperature)
        decoder.entropy_weight = entropy_weight
        runner.message_hub.update_scalar('train/temperature', temperature)
        runner.message_hub.update_scalar('train/entropy_weight', entropy_weight)


def search_decoder(runner: Runner) -> ATRCSearchDecoder:
    """Get the decoder that searches.

    Raises:
        ValueError: The model's decoder is another one.
    """
    decoder = getattr(unwrapped(runner.model), 'decoder', None)
    if not isinstance(decoder, ATRCSearchDecoder):
        raise ValueError(
            f'The hooks of the relation search need an ATRCSearchDecoder, but the decoder is '
            f'{type(decoder).__name__}; remove them from custom_hooks'
        )
    return decoder


def _between(values: tuple[float, float], progress: float) -> float:
    first, last = values
    return first + progress * (last - first)
