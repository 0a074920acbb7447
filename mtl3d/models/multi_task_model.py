"""The one architecture: backbone, decoder, tasks, and a regularizer that only training knows."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor, nn

from mtl3d.models.cross_view import second_views, with_second_views
from mtl3d.models.decoders.base import DecoderOutput, HasExtraLosses
from mtl3d.models.encoders.base import TaskFeatures, shared_features
from mtl3d.models.loss_terms import LossTerm
from mtl3d.models.tasks.base import Task, resize
from mtl3d.registry import MODELS, TASKS
from mtl3d.structures import MultiTaskDataSample
from mtl3d.utils.config import accepted_keys, nearest, resolve

Features = tuple[Tensor, ...] | TaskFeatures
Outputs = Literal['heads', 'regularizer', 'average', 'all']
OUTPUTS = ('heads', 'regularizer', 'average', 'all')


@MODELS.register_module()
class MultiTaskModel(BaseModel):
    """Shared features, one prediction per task, and in training a second one by rendering.

    ``inputs -> backbone -> features -> decoder -> predictions``, and beside the decoder, in
    training only, ``features -> regularizer -> rendered``. The total loss is
    ``sum_t w_t L_t(prediction) + sum_aux w_aux sum_t w_t L_t(auxiliary) + alpha sum_t w_t
    L_t(rendered)`` (ICLR 2024 paper, section 3; alpha is ``regularizer_weight``, which
    ``AlphaRampHook`` moves).

    Args:
        backbone: Config of the shared encoder. The module has ``out_channels`` and returns a
            tuple of features, high resolution first. An encoder of :mod:`mtl3d.models.encoders`
            takes ``tasks`` and returns :class:`~mtl3d.models.encoders.TaskFeatures`.
        decoder: Config of the decoder; it is built with ``in_channels`` (the backbone's) and
            ``out_channels`` (task -> channels of the raw prediction).
        tasks: Task -> config of the task. The order is the decoder's task order.
        regularizer: Config of the regularizer, built like the decoder; None gives the base method.
        regularizer_weight: The weight alpha of the regularizer's losses.
        regularizer_loss_at: Where the regularizer's losses are taken: at the size of the ``label``,
            to which rendered maps are resized bilinearly, or at that of the ``rendering``, to which
            labels are reduced by their nearest pixels.
        cross_view_weight: The weight alpha' of what the regularizer renders from second views; None
            follows ``regularizer_weight`` (the paper).
        cross_view_symmetric: Treat the second view as another image of the batch as well: it is
            encoded, has its own losses, and the first view is rendered from its volume. By default
            it only supervises, and costs no pass through the encoder.
        auxiliary_weights: Name of a deep supervision of the decoder -> its factor; 1 if absent.
        auxiliary_tasks: Task -> config of the task that takes its place in the decoder's deep
            supervision, where that predicts something else (ATRC: classes of depth). The decoder
            is built with ``auxiliary_channels`` then.
        outputs: What ``predict`` gives: the decoder's ``heads``, the ``regularizer``'s rendering,
            their ``average``, or ``all`` three.
        data_preprocessor: Config of the data preprocessor, or the module; the default one if None.
        init_cfg: As in MMEngine.

    Raises:
        ValueError: No tasks; ``outputs`` asks for a regularizer that is not there; or the encoder
            gives each task its own features and the decoder or the regularizer needs shared ones.
    """

    tasks: Mapping[str, Task]
    auxiliary_tasks: Mapping[str, Task]
    backbone: Any
    decoder: Any
    regularizer: Any

    def __init__(
        self,
        *,
        backbone: Mapping[str, Any],
        decoder: Mapping[str, Any],
        tasks: Mapping[str, Mapping[str, Any]],
        regularizer: Mapping[str, Any] | None = None,
        regularizer_weight: float = 1.0,
        regularizer_loss_at: Literal['label', 'rendering'] = 'label',
        cross_view_weight: float | None = None,
        cross_view_symmetric: bool = False,
        auxiliary_weights: Mapping[str, float] | None = None,
        auxiliary_tasks: Mapping[str, Mapping[str, Any]] | None = None,
        outputs: Outputs = 'heads',
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        # Built here, not by the base class, which would look in MMEngine's registry alone.
        if not isinstance(data_preprocessor, nn.Module):
            preprocessor = data_preprocessor or dict(type='MultiTaskDataPreprocessor')
            data_preprocessor = MODELS.build(dict(preprocessor))
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if not tasks:
            raise ValueError('tasks is empty: a model needs at least one task')
        if regularizer_loss_at not in ('label', 'rendering'):
            raise ValueError(
                f"regularizer_loss_at='{regularizer_loss_at}': valid are 'label', 'rendering'"
            )
        self.tasks = build_tasks(tasks)
        self.auxiliary_tasks = build_tasks(auxiliary_tasks or {})
        for name in self.auxiliary_tasks:
            if name not in tasks:
                raise ValueError(f"auxiliary_tasks: unknown task '{name}'. {nearest(name, tasks)}")
        self.backbone = build_backbone(backbone, list(tasks))
        self.decoder = self._build_decoder(decoder)
        self.regularizer = self._build_regularizer(regularizer) if regularizer else None
        self.regularizer_weight = regularizer_weight
        self.regularizer_loss_at = regularizer_loss_at
        self.cross_view_weight = cross_view_weight
        self.cross_view_symmetric = cross_view_symmetric
        self.auxiliary_weights = dict(auxiliary_weights or {})
        self.outputs = self._checked_outputs(outputs)

    def _build_decoder(self, cfg: Mapping[str, Any]) -> nn.Module:
        sizes = dict(in_channels=self.backbone.out_channels, out_channels=channels_of(self.tasks))
        if self.auxiliary_tasks:
            own = channels_of(self.auxiliary_tasks)
            sizes['auxiliary_channels'] = channels_of(self.tasks) | own
        decoder = MODELS.build({**cfg, **sizes})
        split = getattr(self.backbone, 'task_specific', False)
        if split and not getattr(decoder, 'accepts_task_features', False):
            raise ValueError(
                f'{type(self.backbone).__name__} gives every task its own features, but '
                f'{type(decoder).__name__} wants shared ones; use SingleHeadsDecoder'
            )
        return decoder

    def _build_regularizer(self, cfg: Mapping[str, Any]) -> nn.Module:
        shared_channels = getattr(self.backbone, 'shared_channels', self.backbone.out_channels)
        if shared_channels is None:
            raise ValueError(
                f'{type(self.backbone).__name__} has no feature that all tasks share, so there is '
                'nothing to regularize; use regularizer=None or another encoder'
            )
        sizes = dict(in_channels=shared_channels, out_channels=channels_of(self.tasks))
        return MODELS.build({**cfg, **sizes})

    def _checked_outputs(self, outputs: Outputs) -> Outputs:
        if outputs not in OUTPUTS:
            raise ValueError(f"outputs='{outputs}': valid are {', '.join(OUTPUTS)}")
        if outputs != 'heads' and self.regularizer is None:
            raise ValueError(f"outputs='{outputs}' needs a regularizer, but the model has none")
        return outputs

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[MultiTaskDataSample] | None = None,
        mode: Literal['tensor', 'loss', 'predict'] = 'tensor',
    ) -> Any:
        """Run the model in one of MMEngine's three modes.

        Args:
            inputs: ``(N, 3, H, W)`` normalised images, from the data preprocessor.
            data_samples: One sample per image; needed by ``loss`` and ``predict``.
            mode: ``tensor`` gives task -> raw logits at the decoder's resolution; ``loss`` a dict
                of weighted scalar losses; ``predict`` the samples with ``pred``.

        Raises:
            ValueError: ``mode`` is unknown or needs samples that are not given.
        """
        if mode == 'tensor':
            return self.decoder(self.extract_feat(inputs)).predictions
        if data_samples is None:
            raise ValueError(f"mode='{mode}' needs data_samples")
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode='{mode}': valid are 'tensor', 'loss', 'predict'")

    def extract_feat(self, inputs: Tensor) -> Features:
        """Compute the features of ``(N, 3, H, W)`` images, high resolution first."""
        return self.backbone(inputs)

    # -- training ---------------------------------------------------------------------------------

    def loss(self, inputs: Tensor, data_samples: list[MultiTaskDataSample]) -> dict[str, Tensor]:
        """Compute the weighted losses ``<source>.loss_<task>``.

        Sources are ``decoder``, ``decoder.<auxiliary>`` and, in training mode, ``regularizer`` and,
        where images have a second view, ``cross_view``: what is rendered from the second camera
        against the second view's labels. The decoder's own losses are there as
        ``decoder.loss_<name>``, in training mode, too. The unweighted values go to the message hub
        as ``train/<source>.<task>``.

        Args:
            inputs: ``(N, 3, H, W)`` normalised images.
            data_samples: Samples with ``gt`` of the same padded size as ``inputs``.
        """
        regularized = self.regularizer is not None and self.training
        if regularized and self.cross_view_symmetric:
            inputs, data_samples = with_second_views(inputs, data_samples)
        features = self.extract_feat(inputs)
        output: DecoderOutput = self.decoder(features)
        terms = self._decoder_terms(output, data_samples)
        if regularized:
            terms += self._rendered_terms(features, inputs, data_samples)
        losses = {name: value for term in terms for name, value in term.losses().items()}
        if self.training and isinstance(self.decoder, HasExtraLosses):
            own = {task: losses[f'decoder.loss_{task}'] for task in output.predictions}
            extra = self.decoder.extra_losses(
                output, task_losses=own, tasks=self.tasks, samples=data_samples
            )
            losses |= {f'decoder.loss_{name}': value for name, value in extra.items()}
        return losses

    def _decoder_terms(
        self, output: DecoderOutput, samples: list[MultiTaskDataSample]
    ) -> list[LossTerm]:
        """List what the heads and the deep supervisions predict."""
        for name in self.auxiliary_weights:
            if name not in output.auxiliary:
                raise ValueError(
                    f'auxiliary_weights: {type(self.decoder).__name__} has no deep supervision '
                    f"'{name}'. {nearest(name, output.auxiliary)}"
                )
        term = partial(LossTerm, samples=samples)
        terms = [term(source='decoder', predictions=output.predictions, tasks=self.tasks)]
        for name, predictions in output.auxiliary.items():
            terms.append(
                term(
                    source=f'decoder.{name}',
                    predictions=predictions,
                    tasks={**self.tasks, **self.auxiliary_tasks},
                    weight=self.auxiliary_weights.get(name, 1.0),
                )
            )
        return terms

    def _rendered_terms(
        self, features: Features, inputs: Tensor, samples: list[MultiTaskDataSample]
    ) -> list[LossTerm]:
        """List what is rendered: the images' own views, and the second views that there are."""
        term = partial(
            LossTerm, tasks=self.tasks, reduce_labels=self.regularizer_loss_at == 'rendering'
        )
        own = partial(term, source='regularizer', samples=samples, weight=self.regularizer_weight)
        shared = shared_features(features)
        views = second_views(samples, inputs)
        if views is None:
            return [own(predictions=self.regularizer(shared))]
        if not hasattr(self.regularizer, 'forward_views'):
            raise ValueError(
                f'{type(self.regularizer).__name__} cannot show a second view, but the data set '
                'has some: use TriplaneRegularizer, or a data set without TwoViewDataset'
            )
        cameras, seconds = views
        first, second = self.regularizer.forward_views(shared, cameras)
        weight = self.cross_view_weight
        if weight is None:
            weight = self.regularizer_weight
        other = term(source='cross_view', predictions=second, samples=seconds, weight=weight)
        return [own(predictions=first), other]

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the losses, and stop before a non-finite one reaches the weights.

        Raises:
            FloatingPointError: A loss is NaN or infinite; the message names it.
        """
        total, log_vars = super().parse_losses(losses)
        if not torch.isfinite(total):
            bad = [
                f'{key} = {value.item()}' for key, value in losses.items() if not value.isfinite()
            ]
            raise FloatingPointError(
                f'Non-finite loss: {", ".join(bad) or "the sum"}. The weights were not updated and '
                'the last checkpoint is good. Look at the labels of that task, lower the learning '
                'rate, or train with bf16 instead of fp16.'
            )
        return total, log_vars

    # -- inference --------------------------------------------------------------------------------

    def predict(
        self,
        inputs: Tensor,
        data_samples: list[MultiTaskDataSample],
        outputs: Outputs | None = None,
    ) -> list[MultiTaskDataSample]:
        """Predict every task at each image's ``ori_shape``.

        Args:
            inputs: ``(N, 3, H, W)`` normalised images.
            data_samples: Samples that tell ``ori_shape`` and ``padding``.
            outputs: Overrides the model's ``outputs``.

        Returns:
            The samples, with ``pred``, ``pred_regularizer`` or ``pred_average`` (of the tasks that
            are both predicted and rendered) as asked for; the heads' predictions are there in each
            case.
        """
        outputs = self._checked_outputs(outputs or self.outputs)
        features = self.extract_feat(inputs)
        heads = self.decoder(features).predictions
        rendered = {} if outputs == 'heads' else self.regularizer(shared_features(features))
        for index, sample in enumerate(data_samples):
            own = self._activate(heads, index, inputs.shape[-2:], sample)
            sample.pred = self._decode(own)
            if outputs == 'heads':
                continue
            other = self._activate(rendered, index, inputs.shape[-2:], sample)
            if outputs in ('regularizer', 'all'):
                sample.pred_regularizer = self._decode(other)
            if outputs in ('average', 'all'):
                # A decoder's auxiliary task, or one that is not rendered, has nothing to average.
                both = [task for task in own if task in other]
                mean = {task: (own[task] + other[task]) / 2 for task in both}
                sample.pred_average = self._decode(mean)
        return data_samples

    def _activate(
        self,
        predictions: Mapping[str, Tensor],
        index: int,
        input_shape: Sequence[int],
        sample: MultiTaskDataSample,
    ) -> dict[str, Tensor]:
        """Bring one image's logits to its own size and activate them: task -> ``(1, C, H, W)``."""
        height, width = input_shape
        left, top, right, bottom = sample.get('padding', (0, 0, 0, 0))
        size = tuple(sample.get('ori_shape', (height - top - bottom, width - left - right)))
        activated = {}
        for name, logits in predictions.items():
            full = resize(logits[index : index + 1].float(), (height, width))
            native = full[..., top : height - bottom, left : width - right]
            activated[name] = self.tasks[name].activate(resize(native, size))
        return activated

    def _decode(self, activated: Mapping[str, Tensor]) -> PixelData:
        return PixelData(
            **{name: self.tasks[name].decode(value)[0] for name, value in activated.items()}
        )


def build_tasks(cfgs: Mapping[str, Mapping[str, Any]]) -> Any:
    """Build tasks: a module dict, task -> :class:`~mtl3d.models.tasks.Task`."""
    return nn.ModuleDict({name: TASKS.build(dict(cfg)) for name, cfg in cfgs.items()})


def channels_of(tasks: Mapping[str, Task]) -> dict[str, int]:
    """List the channels of each task's raw prediction."""
    return {name: task.out_channels for name, task in tasks.items()}


def build_backbone(cfg: Mapping[str, Any], tasks: Sequence[str]) -> nn.Module:
    """Build the encoder; one that tells the tasks apart is told which there are.

    Args:
        cfg: Its config.
        tasks: The model's tasks.
    """
    keys = accepted_keys(resolve(cfg['type'], MODELS))
    return MODELS.build({**cfg, 'tasks': tasks} if keys and 'tasks' in keys else dict(cfg))
