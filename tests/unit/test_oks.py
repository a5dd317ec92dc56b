"""OKS: similarity, suppression and rescoring by hand; average precision against pycocotools."""

import numpy as np
import pytest
from people import reference

from tasks.metrics.oks import SIGMAS, evaluate, rescored, similarity, suppressed


def crowd(photos=12, seed=0):
    """Annotated people of all sizes, crowds and people without joints among them, and noisy guesses of them."""
    random = np.random.default_rng(seed)
    truth, results = [], []
    for photo in range(100, 100 + photos):
        for _ in range(random.integers(1, 5)):
            side = random.uniform(20, 220)
            corner = random.uniform(0, 200, 2)
            points = corner + random.uniform(0, side, (17, 2))
            labelled = random.integers(0, 3, 17) * (random.random() < 0.8)
            truth.append(
                {
                    "image_id": photo,
                    "keypoints": np.column_stack([points * (labelled > 0)[:, None], labelled]).ravel().tolist(),
                    "num_keypoints": int((labelled > 0).sum()),
                    "area": float(side**2 * random.uniform(0.3, 0.7)),
                    "bbox": [*corner.tolist(), side, side],
                    "iscrowd": int(random.random() < 0.1),
                }
            )
            guess = points + random.normal(0, random.uniform(0.005, 0.12) * side, (17, 2))
            results.append(
                {
                    "image_id": photo,
                    "keypoints": np.column_stack([guess, np.ones(17)]).ravel().tolist(),
                    "score": float(random.random()),
                }
            )
    results.append({**results[0], "image_id": 99, "score": 0.99})  # in an image where nobody is
    return truth, results


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_agrees_with_pycocotools(seed):
    truth, results = crowd(seed=seed)
    found = evaluate(truth, results)
    assert found == pytest.approx(reference(truth, results), abs=1e-6)
    assert 0.05 < found["ap"] < 0.95 and {"ap_medium", "ap_large", "ar"} <= found.keys()


def test_sizes_that_nobody_has_are_left_out():
    truth, results = crowd()
    large = [{**person, "area": 300.0**2} for person in truth]
    assert "ap_medium" not in evaluate(large, results)


def test_similarity_by_hand():
    """All joints off by d with d^2 / (2 a (2 s)^2) = 1 have 1 / e; of one joint in 17 the rest is 0."""
    area = 2500.0
    person = np.full((17, 2), 50.0)
    near = person + np.column_stack([np.sqrt(2 * area) * 2 * SIGMAS, np.zeros(17)])
    far = np.full((17, 2), 1e5)
    far[3] = 50.0
    found = similarity(person, np.stack([person, near, far]), np.full(3, area))
    assert found == pytest.approx([1.0, np.exp(-1), 1 / 17])


def test_suppression_keeps_the_best_of_those_alike():
    """The second is the first moved a little, the third elsewhere, the fourth like the third but surer."""
    place = np.arange(34.0).reshape(17, 2) * 5
    people = np.stack([place, place + 0.5, place + 200, place + 200.5])
    areas = np.full(4, 100.0**2)
    assert suppressed(people, areas, np.array([0.9, 0.8, 0.3, 0.7])) == [0, 3]
    assert suppressed(people, areas, np.full(4, 0.5)) == [0, 2]  # of equal scores the first
    assert sorted(suppressed(people, np.full(4, 0.5), np.full(4, 0.5))) == [0, 1, 2, 3]  # too small to be the same


def test_suppression_at_its_threshold():
    """Similarities of 0.89 and 0.91, at the mean of both areas."""
    areas = np.array([900.0, 1600.0])
    for oks, kept in ((0.89, [0, 1]), (0.91, [0])):
        offset = np.sqrt(-np.log(oks) * 2 * 1250.0) * 2 * SIGMAS
        people = np.stack([np.zeros((17, 2)), np.column_stack([offset, np.zeros(17)])])
        assert suppressed(people, areas, np.array([0.9, 0.8])) == kept


def test_rescoring_by_hand():
    joints = np.zeros((3, 17))
    joints[0, :3] = 0.9, 0.5, 0.2  # 0.2 itself does not count
    joints[1, :2] = 0.19, 0.1
    joints[2] = 0.6
    assert rescored(np.array([0.5, 1.0, 1.0]), joints) == pytest.approx([0.5 * 0.7, 0.0, 0.6])
