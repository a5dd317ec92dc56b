"""COCO's seventeen joints: their names and order, what a mirror exchanges, what a picture joins. Imports nothing."""

KEYPOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip",
    "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
FLIP_PAIRS = tuple((i, i + 1) for i in range(1, 17, 2))
SKELETON = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (11, 12), (5, 11), (6, 12),
    (5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
TORSO = ((5, 6), (11, 12))  # the shoulders, the hips
