"""A ResNet cut into stages, between which a method can step in."""

from typing import Any

from torch import nn

from mtl3d.models.backbones.timm_backbone import create_timm_model, family


class ResNetStages(nn.Module):
    """timm's ResNet as a stem and four stages, dilated to a given stride.

    Args:
        model_name: timm's name of a ResNet with one convolution in the stem.
        pretrained: True, False, or a file, as in ``TimmBackbone``.
        output_stride: 8, 16 or 32; strides beyond are replaced by dilation.

    Attributes:
        model: The timm model, whose parameter names are torchvision's.
        stage_channels: Channels after each of the four stages.

    Raises:
        ValueError: The model is no ResNet, or ``output_stride`` is another.
    """

    stage_channels: tuple[int, ...]

    def __init__(
        self, model_name: str, *, pretrained: bool | str = False, output_stride: int = 8
    ) -> None:
        super().__init__()
        if family(model_name) != 'resnet':
            raise ValueError(f"model_name='{model_name}': this needs a ResNet, such as resnet50")
        if output_stride not in (8, 16, 32):
            raise ValueError(f'output_stride={output_stride}: valid are 8, 16, 32')
        arguments = dict(output_stride=output_stride, num_classes=0, global_pool='')
        self.model: Any = create_timm_model(model_name, pretrained, arguments)
        self.stage_channels = tuple(
            int(info['num_chs']) for info in self.model.feature_info if 'layer' in info['module']
        )

    @property
    def stem(self) -> nn.Sequential:
        """Convolution, normalisation, ReLU and max-pooling: stride 4, 64 channels."""
        model = self.model
        return nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool)

    @property
    def stages(self) -> list[nn.Sequential]:
        """The four stages, each a sequence of residual blocks."""
        return [self.model.layer1, self.model.layer2, self.model.layer3, self.model.layer4]

    def init_weights(self) -> None:
        """Do nothing: MMEngine's Runner would call timm's own method and undo the pretraining."""
