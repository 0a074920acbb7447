"""Configs without weights to fetch."""

from mtl3d.utils.weights import without_pretrained


def test_every_pretrained_is_switched_off_in_a_copy():
    cfg = dict(backbone=dict(pretrained='a.pth', backbone=dict(pretrained=True)), parts=[dict(a=1)])
    assert without_pretrained(cfg) == dict(
        backbone=dict(pretrained=False, backbone=dict(pretrained=False)), parts=[dict(a=1)]
    )
    assert cfg['backbone']['pretrained'] == 'a.pth'
