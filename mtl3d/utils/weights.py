"""Whether a model's config fetches pretrained weights."""

from typing import Any


def without_pretrained(cfg: Any) -> Any:
    """Copy a model's config with every ``pretrained`` set to False.

    A checkpoint overwrites all weights anyway, and a benchmark does not need them: then nothing
    should be downloaded.

    Args:
        cfg: A config, or a part of one; backbones may be nested in others.

    Returns:
        The same in plain dicts, lists and values.
    """
    if isinstance(cfg, dict):
        return {
            key: False if key == 'pretrained' else without_pretrained(value)
            for key, value in cfg.items()
        }
    if isinstance(cfg, list | tuple):
        return type(cfg)(without_pretrained(value) for value in cfg)
    return cfg
