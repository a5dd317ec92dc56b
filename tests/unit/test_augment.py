"""Augmentation: image, label and keypoints move as one, and the generator decides everything."""

import pytest
import torch

from tasks.views.batches import affine, denormalise, jitter, normalise

WILD = {"scale": (0.7, 1.4), "rotate_deg": 40.0, "translate": 0.1}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blob(points, shape=(48, 64), sigma=2.0):
    """Images (B, 3, H, W) with one bright Gaussian dot each, around points (B, 2) as x, y."""
    x, y = torch.arange(shape[1]), torch.arange(shape[0])
    distance = (x - points[:, :1]).pow(2)[:, None] + (y - points[:, 1:]).pow(2)[:, :, None]
    return (255 * torch.exp(-distance / (2 * sigma**2)))[:, None].repeat(1, 3, 1, 1)


def centroid(weight):
    """Centre of mass (B, 2) as x, y of (B, H, W)."""
    total = weight.sum((1, 2))
    x = (weight.sum(1) * torch.arange(weight.shape[2])).sum(1) / total
    y = (weight.sum(2) * torch.arange(weight.shape[1])).sum(1) / total
    return torch.stack([x, y], 1)


def test_image_label_and_keypoint_agree_on_a_drawn_dot():
    points = torch.rand(64, 2, generator=generator(5)) * torch.tensor([20.0, 12.0]) + torch.tensor([22.0, 18.0])
    image = blob(points)
    label = (image[:, 0] > 60).long()
    out = affine(
        image,
        generator(),
        label=label,
        keypoints=points[:, None],
        visible=torch.ones(64, 1, dtype=torch.bool),
        **WILD,
    )
    moved = out["keypoints"][:, 0]
    assert out["visible"].all()
    assert (moved - points).abs().max() > 10  # it did move
    # the dot is rendered, resampled and clipped at 1 % of its peak; its centre of mass stays the mapped point
    assert torch.allclose(centroid(out["image"][:, 0]), moved, atol=0.05)
    assert torch.allclose(centroid((out["label"] == 1).float()), moved, atol=0.35)
    assert sorted(out["label"].unique().tolist()) == [0, 1, 255]
    assert out["image"].dtype == torch.float32
    assert out["label"].dtype == torch.int64


def test_lengths_grow_by_the_reported_scale():
    points = torch.tensor([[[30.0, 20.0], [34.0, 23.0]]]).repeat(16, 1, 1)
    out = affine(torch.zeros(16, 3, 48, 64), generator(), keypoints=points, **WILD)
    lengths = torch.linalg.vector_norm(out["keypoints"][:, 0] - out["keypoints"][:, 1], dim=1)
    assert torch.allclose(lengths, 5 * out["scale"], rtol=1e-4)
    assert 0.7 <= out["scale"].min() < 0.9 < 1.1 < out["scale"].max() <= 1.4


def test_without_amounts_only_a_mirror_remains_exact():
    image = torch.randint(0, 256, (32, 3, 10, 14), dtype=torch.uint8, generator=generator(1))
    label = torch.randint(0, 9, (32, 10, 14), dtype=torch.uint8, generator=generator(2))
    points = torch.tensor([[[2.0, 3.0], [12.0, 4.0]]]).repeat(32, 1, 1)
    visible = torch.tensor([[True, False]]).repeat(32, 1)
    before = image.clone()
    out = affine(image, generator(), label=label, keypoints=points, visible=visible, flip_pairs=((0, 1),))
    assert torch.equal(image, before)
    flipped = out["visible"][:, 1]
    assert 4 < flipped.sum() < 28
    for i, mirrored in enumerate(flipped):
        turn = (lambda t: t.flip(-1)) if mirrored else (lambda t: t)
        assert torch.allclose(out["image"][i], turn(image[i]).float(), atol=1e-2)
        assert torch.equal(out["label"][i], turn(label[i]).long())
        expected = [[1.0, 4.0], [11.0, 3.0]] if mirrored else [[2.0, 3.0], [12.0, 4.0]]
        assert torch.allclose(out["keypoints"][i], torch.tensor(expected), atol=1e-5)
    assert affine(image, generator(), flip=False)["image"].sub(image.float()).abs().max() < 1e-2


def test_leaving_the_image_hides_a_joint_and_voids_the_label():
    out = affine(
        torch.full((8, 3, 20, 20), 7.0),
        generator(),
        flip=False,
        scale=(2.0, 2.0),
        label=torch.zeros(8, 20, 20, dtype=torch.long),
        keypoints=torch.tensor([[[1.0, 10.0], [9.5, 9.5]]]).repeat(8, 1, 1),
        visible=torch.ones(8, 2, dtype=torch.bool),
    )
    assert out["visible"].tolist() == [[False, True]] * 8
    assert out["keypoints"][0, 0, 0] == pytest.approx(-7.5)
    assert torch.allclose(out["image"], torch.tensor(7.0))  # the border is repeated, not blackened
    shrunk = affine(
        torch.zeros(1, 3, 20, 20),
        generator(),
        scale=(0.5, 0.5),
        label=torch.zeros(1, 20, 20, dtype=torch.long),
    )
    assert (shrunk["label"] == 255).sum() == 300


def test_label_of_another_size_moves_alike():
    label = torch.zeros(4, 96, 128, dtype=torch.long)
    label[:, 30:60, 20:70] = 3
    out = affine(torch.zeros(4, 3, 48, 64), generator(), label=label, **WILD)
    same = affine(torch.zeros(4, 3, 96, 128), generator(), label=label, **WILD)
    assert torch.equal(out["label"], same["label"])


def test_the_generator_decides_everything():
    image = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8, generator=generator(1))

    def run(seed):
        g = generator(seed)
        return jitter(affine(image, g, **WILD)["image"], g)

    torch.manual_seed(1)
    first = run(7)
    torch.manual_seed(2)
    assert torch.equal(first, run(7))
    assert not torch.equal(first, run(8))


def test_options_do_not_change_how_much_is_drawn():
    plain, wild = generator(), generator()
    affine(torch.zeros(3, 3, 8, 8), plain, flip=False)
    affine(torch.zeros(3, 3, 8, 8), wild, **WILD)
    assert torch.equal(plain.get_state(), wild.get_state())


def test_jitter_keeps_range_and_input():
    image = torch.randint(0, 256, (16, 3, 8, 8), dtype=torch.uint8, generator=generator(1))
    out = jitter(image, generator(), 0.4, 0.4)
    assert 0 <= out.min() < out.max() <= 255
    assert torch.equal(jitter(image, generator(), 0.0, 0.0), image.float())
    grey = jitter(torch.full((32, 3, 4, 4), 100.0), generator(), 0.2, 0.9)
    assert 80 <= grey.min() < 90 < 110 < grey.max() <= 120  # contrast leaves a flat image alone


def test_normalise_by_hand_and_back():
    image = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3).repeat(1, 3, 2, 1)
    out = normalise(image)
    assert out.dtype == torch.float32
    assert torch.allclose(
        out[0, :, 0, 2], torch.tensor([(0.2 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.2 - 0.406) / 0.225])
    )
    assert torch.equal(denormalise(out), image)
    assert torch.equal(normalise(image.float()), out)
