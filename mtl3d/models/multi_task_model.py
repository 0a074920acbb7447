"""The one architecture: backbone, decoder, tasks, and a regularizer that only training knows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor, nn

from mtl3d.models.cross_view import second_views, with_second_views
from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.encoders.base import TaskFeatures
from mtl3d.models.tasks.base import Task, resize
from mtl3d.registry import MODELS, TASKS
from mtl3d.structures import MultiTaskDataSample
from mtl3d.utils.config import accepted_keys, nearest, resolve

Outputs = Literal['heads', 'regularizer', 'average', 'all']
OUTPUTS = ('heads', 'regularizer', 'average', 'all')
#: Sources of losses that come from the regularizer.
RENDERED = ('regularizer', 'cross_view')

#: Source of a loss, task -> raw predictions, weight, and one sample with labels per prediction.
Term = tuple[str, dict[str, Tensor], float, list[MultiTaskDataSample]]


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
        self.tasks = nn.ModuleDict({name: TASKS.build(dict(cfg)) for name, cfg in tasks.items()})
        out_channels = {name: task.out_channels for name, task in self._tasks()}
        self.auxiliary_tasks = nn.ModuleDict(build_auxiliary_tasks(auxiliary_tasks or {}, tasks))
        self.backbone = build_backbone(backbone, list(tasks))
        task_specific = getattr(self.backbone, 'task_specific', False)
        in_channels = self.backbone.out_channels
        decoder = {**decoder, 'in_channels': in_channels, 'out_channels': out_channels}
        if auxiliary_tasks:
            own = {name: task.out_channels for name, task in self.auxiliary_tasks.items()}
            decoder['auxiliary_channels'] = out_channels | own
        self.decoder = MODELS.build(decoder)
        if task_specific and not getattr(self.decoder, 'accepts_task_features', False):
            raise ValueError(
                f'{type(self.backbone).__name__} gives every task its own features, but '
                f'{type(self.decoder).__name__} wants shared ones; use SingleHeadsDecoder'
            )
        self.regularizer = None
        if regularizer:
            shared_channels = self.backbone.shared_channels if task_specific else in_channels
            if shared_channels is None:
                raise ValueError(
                    f'{type(self.backbone).__name__} has no feature that all tasks share, so there '
                    'is nothing to regularize; use regularizer=None or another encoder'
                )
            self.regularizer = MODELS.build(
                {**regularizer, 'in_channels': shared_channels, 'out_channels': out_channels}
            )
        self.regularizer_weight = regularizer_weight
        if regularizer_loss_at not in ('label', 'rendering'):
            raise ValueError(
                f"regularizer_loss_at='{regularizer_loss_at}': valid are 'label', 'rendering'"
            )
        self.regularizer_loss_at = regularizer_loss_at
        self.cross_view_weight = cross_view_weight
        self.cross_view_symmetric = cross_view_symmetric
        self.auxiliary_weights = dict(auxiliary_weights or {})
        self.outputs = self._checked_outputs(outputs)

    def _tasks(self) -> list[tuple[str, Task]]:
        return list(self.tasks.items())  # type: ignore[arg-type]

    def _task(self, name: str, *, auxiliary: bool) -> Task:
        substituted = auxiliary and name in self.auxiliary_tasks
        return (self.auxiliary_tasks if substituted else self.tasks)[name]  # type: ignore[return-value]

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

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...] | TaskFeatures:
        """Compute the features of ``(N, 3, H, W)`` images, high resolution first."""
        return self.backbone(inputs)

    def render(self, features: tuple[Tensor, ...] | TaskFeatures) -> dict[str, Tensor]:
        """Run the regularizer on the features that all tasks share: task -> raw predictions."""
        return self.regularizer(shared_features(features))  # type: ignore[misc]

    # -- training ---------------------------------------------------------------------------------

    def loss(self, inputs: Tensor, data_samples: list[MultiTaskDataSample]) -> dict[str, Tensor]:
        """Compute the weighted losses ``<source>.loss_<task>``.

        Sources are ``decoder``, ``decoder.<auxiliary>`` and, in training mode, ``regularizer`` and,
        where images have a second view, ``cross_view``: what is rendered from the second camera
        against the second view's labels.
        The decoder's penalties are there as ``decoder.loss_<penalty>``. The unweighted values go to
        the message hub as ``train/<source>.<task>``.

        Args:
            inputs: ``(N, 3, H, W)`` normalised images.
            data_samples: Samples with ``gt`` of the same padded size as ``inputs``.
        """
        regularized = self.regularizer is not None and self.training
        if regularized and self.cross_view_symmetric:
            inputs, data_samples = with_second_views(inputs, data_samples)
        features = self.extract_feat(inputs)
        output: DecoderOutput = self.decoder(features)
        terms = [('decoder', output.predictions, 1.0, data_samples)]
        for name, predictions in output.auxiliary.items():
            weight = self.auxiliary_weights.get(name, 1.0)
            terms.append((f'decoder.{name}', predictions, weight, data_samples))
        if regularized:
            terms += self._rendered_terms(features, inputs, data_samples)

        losses = {f'decoder.loss_{name}': value for name, value in output.penalties.items()}
        hub = MessageHub.get_current_instance()
        for source, predictions, weight, samples in terms:
            for name, logits in predictions.items():
                task = self._task(name, auxiliary=source.startswith('decoder.'))
                reduce = self.regularizer_loss_at == 'rendering' and source in RENDERED
                value = task_loss(task, name, logits, samples, reduce_labels=reduce)
                hub.update_scalar(f'train/{source}.{name}', value.detach())
                losses[f'{source}.loss_{name}'] = weight * task.loss_weight * value
        if self.training and hasattr(self.decoder, 'extra_losses'):
            own = {name: losses[f'decoder.loss_{name}'] for name in output.predictions}
            extra = self.decoder.extra_losses(output, own)
            losses |= {f'decoder.{name}': value for name, value in extra.items()}
        return losses

    def _rendered_terms(
        self,
        features: tuple[Tensor, ...] | TaskFeatures,
        inputs: Tensor,
        data_samples: list[MultiTaskDataSample],
    ) -> list[Term]:
        """Render the images' own views and the second views that there are."""
        alpha = self.regularizer_weight
        views = second_views(data_samples, inputs)
        if views is None:
            return [('regularizer', self.render(features), alpha, data_samples)]
        if not hasattr(self.regularizer, 'forward_views'):
            raise ValueError(
                f'{type(self.regularizer).__name__} cannot show a second view, but the data set '
                'has some: use TriplaneRegularizer, or a data set without TwoViewDataset'
            )
        cameras, seconds = views
        own, other = self.regularizer.forward_views(shared_features(features), cameras)  # type: ignore
        weight = alpha if self.cross_view_weight is None else self.cross_view_weight
        return [('regularizer', own, alpha, data_samples), ('cross_view', other, weight, seconds)]

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
            The samples, with ``pred``, ``pred_regularizer`` or ``pred_average`` as asked for; the
            heads' predictions are there in each case.
        """
        outputs = self._checked_outputs(outputs or self.outputs)
        features = self.extract_feat(inputs)
        heads = self.decoder(features).predictions
        rendered = {} if outputs == 'heads' else self.render(features)
        for index, sample in enumerate(data_samples):
            activated = self._activate(heads, index, inputs.shape[-2:], sample)
            sample.pred = self._decode(activated)
            if outputs == 'heads':
                continue
            activated_rendered = self._activate(rendered, index, inputs.shape[-2:], sample)
            if outputs in ('regularizer', 'all'):
                sample.pred_regularizer = self._decode(activated_rendered)
            if outputs in ('average', 'all'):
                mean = {
                    name: (activated[name] + value) / 2
                    for name, value in activated_rendered.items()
                }
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
            activated[name] = self.tasks[name].activate(resize(native, size))  # type: ignore[operator]
        return activated

    def _decode(self, activated: Mapping[str, Tensor]) -> PixelData:
        fields = {
            name: self.tasks[name].decode(value)[0]  # type: ignore[operator]
            for name, value in activated.items()
        }
        return PixelData(**fields)


def shared_features(features: tuple[Tensor, ...] | TaskFeatures) -> tuple[Tensor, ...]:
    """Take the features that all tasks share."""
    if not isinstance(features, TaskFeatures):
        return features
    assert features.shared is not None, 'the constructor has refused a regularizer'
    return features.shared


def build_backbone(cfg: Mapping[str, Any], tasks: Sequence[str]) -> nn.Module:
    """Build the encoder; one that tells the tasks apart is told which there are.

    Args:
        cfg: Its config.
        tasks: The model's tasks.
    """
    keys = accepted_keys(resolve(cfg['type'], MODELS))
    return MODELS.build({**cfg, 'tasks': tasks} if keys and 'tasks' in keys else dict(cfg))


def build_auxiliary_tasks(
    cfgs: Mapping[str, Mapping[str, Any]], tasks: Iterable[str]
) -> dict[str, Task]:
    """Build the tasks of the decoder's deep supervision.

    Args:
        cfgs: Task -> config.
        tasks: The model's tasks.

    Raises:
        ValueError: One of them is no task of the model.
    """
    for name in cfgs:
        if name not in tasks:
            raise ValueError(f"auxiliary_tasks: unknown task '{name}'. {nearest(name, tasks)}")
    return {name: TASKS.build(dict(cfg)) for name, cfg in cfgs.items()}


def task_loss(
    task: Task,
    name: str,
    logits: Tensor,
    data_samples: Sequence[MultiTaskDataSample],
    *,
    reduce_labels: bool = False,
) -> Tensor:
    """Compute one task's unweighted loss over the images that carry its label.

    Args:
        task: The task.
        name: Its key in the samples.
        logits: ``(N, out_channels, h, w)``.
        data_samples: N samples; those without a field ``name`` in ``gt`` do not count.
        reduce_labels: Bring the labels to the size of the logits by taking the nearest pixels,
            which mixes neither classes nor pixels without a label, instead of the logits to theirs.

    Returns:
        A scalar. Without any label it is a zero that still depends on the logits, which keeps
        DistributedDataParallel's gradient buckets complete.
    """
    labelled = [i for i, sample in enumerate(data_samples) if name in sample.gt]
    if not labelled:
        return logits.flatten()[:0].sum().float()
    label = torch.stack([data_samples[i].gt.get(name) for i in labelled])
    chosen = logits if len(labelled) == len(data_samples) else logits[labelled]
    if reduce_labels:
        label = nearest_pixels(label, chosen.shape[-2:])
    return task.loss(chosen, label)


def nearest_pixels(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize ``(N, C, H, W)`` maps of any type to ``(N, C, *size)`` without mixing pixels."""
    rows, columns = (
        ((torch.arange(new, device=maps.device) + 0.5) * (old / new)).long()
        for old, new in zip(maps.shape[-2:], size, strict=True)
    )
    return maps[..., rows[:, None], columns]
