"""The class lists of SynthRooms; the position in the list is the id in the label files."""

SEMANTIC_CLASSES = (
    'wall', 'floor', 'ceiling', 'door', 'window', 'curtain', 'picture', 'rug', 'table', 'chair',
    'sofa', 'bed', 'cabinet', 'shelf', 'book', 'lamp', 'television', 'plant', 'box', 'ball',
    'person',
)  # fmt: skip

HUMAN_PARTS = (
    'background', 'head', 'torso', 'upper arm', 'lower arm', 'upper leg', 'lower leg',
)  # fmt: skip

# People and these are salient when they are close to the camera (see labels.saliency).
MOVABLE_CLASSES = ('plant', 'box', 'ball')

SEMANTIC_PALETTE = (
    (190, 190, 180), (150, 110, 70), (235, 235, 245), (110, 60, 30), (120, 200, 255),
    (200, 130, 200), (255, 200, 0), (170, 40, 80), (205, 133, 63), (255, 127, 14),
    (44, 90, 160), (148, 103, 189), (127, 127, 60), (90, 60, 120), (31, 180, 170),
    (255, 255, 130), (30, 30, 30), (34, 150, 34), (160, 160, 220), (240, 60, 160),
    (220, 20, 20),
)  # fmt: skip

HUMAN_PARTS_PALETTE = (
    (0, 0, 0), (220, 20, 60), (255, 165, 0), (0, 160, 80), (120, 220, 120), (30, 80, 200),
    (120, 170, 255),
)  # fmt: skip
