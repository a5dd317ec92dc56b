"""Frames about people: points stay on their pixels through crop, turn, mirror and back; the random views' shares."""

import numpy as np
import pytest
from PIL import Image

from tasks.views import topdown
from tickets.seeding import libraries_seeded

SIZE = (64, 48)


def spot(x, y, width=80, height=60, side=5):
    """A black RGB image with a white square centred at whole pixels x, y."""
    image = np.zeros((height, width, 3), np.uint8)
    reach = side // 2
    image[y - reach : y + reach + 1, x - reach : x + reach + 1] = 255
    return Image.fromarray(image)


def middle(image):
    """(x, y) of the mean of an image's brightness."""
    weight = image[..., 0].astype(float)
    return [float(np.average(grid, weights=weight)) for grid in np.indices(weight.shape)[::-1]]


class TestFrame:
    def test_a_wide_box_by_hand(self):
        """Edges 10..50 and 20..40: centre 30, 30 from the edge; 40 wide wants 40 * 64 / 48 high; both padded."""
        centre, extent = topdown.enclosing(np.array([10, 20, 40, 20]), SIZE)
        assert centre.tolist() == [29.5, 29.5]
        assert extent == pytest.approx([1.25 * 40, 1.25 * 40 * 4 / 3])

    def test_a_high_box_by_hand(self):
        centre, extent = topdown.enclosing(np.array([0, 0, 3, 40]), SIZE, padding=1.0)
        assert centre.tolist() == [1.0, 19.5]
        assert extent == pytest.approx([30, 40])

    def test_its_edges_meet_the_input_s(self):
        """The frame 8..56 x 4..68 is as large as the input: pixel 8 becomes pixel 0."""
        forward = topdown.matrix(np.array([31.5, 35.5]), np.array([48, 64]), SIZE)
        assert topdown.moved(np.array([[8.0, 4.0], [55.0, 67.0]]), forward) == pytest.approx(
            np.array([[0.0, 0.0], [47.0, 63.0]])
        )

    def test_pixels_shrink_about_their_edges(self):
        """Half as large: pixels 0 and 1, edges 0..2, become pixel 0; their common edge its centre."""
        forward = topdown.matrix(np.array([47.5, 63.5]), np.array([96, 128]), SIZE)
        assert topdown.moved(np.array([0.5, 0.5]), forward) == pytest.approx([0.0, 0.0])

    def test_a_rotated_point_by_hand(self):
        """10 to the right of the centre, turned 90 degrees clockwise, at half size: 5 below the input's centre."""
        forward = topdown.matrix(np.array([20.0, 30.0]), np.array([96, 128]), SIZE, rotation_deg=90)
        assert topdown.moved(np.array([30.0, 30.0]), forward) == pytest.approx([23.5, 36.5])

    def test_a_mirrored_point_by_hand(self):
        forward = topdown.matrix(np.array([20.0, 30.0]), np.array([48, 64]), SIZE, mirrored=True)
        assert topdown.moved(np.array([26.0, 33.0]), forward) == pytest.approx([17.5, 34.5])

    @pytest.mark.parametrize(("turn", "mirror"), [(0, False), (30, False), (-75, True), (0, True)])
    def test_there_and_back(self, turn, mirror):
        forward = topdown.matrix(np.array([12.3, 45.6]), np.array([30.0, 40.0]), SIZE, turn, mirror)
        points = np.random.default_rng(0).uniform(0, 100, (17, 2))
        assert topdown.moved(topdown.moved(points, forward), topdown.inverse(forward)) == pytest.approx(points)


class TestPixels:
    @pytest.mark.parametrize(("turn", "mirror"), [(0, False), (40, False), (-90, True), (0, True)])
    def test_warped_joints_stay_on_their_pixels(self, turn, mirror):
        forward = topdown.matrix(np.array([40.0, 30.0]), np.array([60.0, 80.0]), SIZE, turn, mirror)
        wanted = topdown.moved(np.array([45.0, 22.0]), forward)
        assert middle(topdown.warped(spot(45, 22), forward, SIZE)) == pytest.approx(list(wanted), abs=0.1)

    @pytest.mark.parametrize("scale", [0.5, 1.0, 3.3])
    def test_resized_joints_stay_on_their_pixels(self, scale):
        centre, extent = np.array([41.2, 28.7]), scale * np.array([48.0, 64.0])
        wanted = topdown.moved(np.array([45.0, 22.0]), topdown.matrix(centre, extent, SIZE))
        assert middle(topdown.resized(spot(45, 22), centre, extent, SIZE)) == pytest.approx(list(wanted), abs=0.1)

    def test_both_ways_agree_where_nothing_shrinks(self):
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
        frame = np.array([35.3, 31.1]), np.array([24.0, 32.0])
        one, other = topdown.resized(image, *frame, SIZE), topdown.warped(image, topdown.matrix(*frame, SIZE), SIZE)
        assert np.abs(one.astype(int) - other).max() <= 3  # weights are rounded differently

    def test_an_untouched_frame_is_the_image(self):
        image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        frame = topdown.enclosing(np.array([0, 0, 48, 64]), SIZE, padding=1.0)
        for made in (
            topdown.resized(Image.fromarray(image), *frame, SIZE),
            topdown.warped(Image.fromarray(image), topdown.matrix(*frame, SIZE), SIZE),
        ):
            assert np.array_equal(made, image)

    def test_outside_is_black(self):
        image = Image.new("RGB", (20, 20), "white")
        frame = np.array([9.5, 9.5]), np.array([30.0, 40.0])
        for made in (topdown.resized(image, *frame, SIZE), topdown.warped(image, topdown.matrix(*frame, SIZE), SIZE)):
            assert made[0].max() == 0 and made[-1].max() == 0 and made[32, 24].min() == 255


NAMES = ("nose", "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist",
         "left hip", "right hip", "left knee", "right ankle")  # fmt: skip
LOWER = topdown.lower_body(NAMES)
BODY = np.array([[10, 2], [6, 8], [14, 8], [5, 12], [15, 12], [5, 16], [7, 20], [13, 20], [7, 28], [13, 36]], float)


class TestDraws:
    def test_the_lower_body_by_name(self):
        assert LOWER.tolist() == [False] * 6 + [True] * 4

    def drawn(self, labelled, count=4000):
        frame = np.array([10.0, 19.0]), np.array([45.0, 60.0])
        with libraries_seeded(0, "draws"):
            return [topdown.draw(frame, BODY, labelled, LOWER, SIZE) for _ in range(count)]

    def test_shares_and_ranges(self):
        """With 8 labelled joints no half bodies: magnification alone tells the scale, the determinant the mirror."""
        labelled = np.arange(10) < 8
        views = self.drawn(labelled)
        scales = np.array([45 / 48 * np.sqrt(abs(np.linalg.det(m[:, :2]))) for m, _ in views]) ** -1
        assert scales.min() == pytest.approx(0.65) and scales.max() == pytest.approx(1.35)
        assert scales.mean() == pytest.approx(1.0, abs=0.02)
        assert np.mean([mirror for _, mirror in views]) == pytest.approx(0.5, abs=0.03)
        assert all((np.linalg.det(m[:, :2]) < 0) == mirror for m, mirror in views)
        angles = np.array([np.degrees(np.arctan2(m[1, 0], m[1, 1])) for m, _ in views])
        assert np.mean(angles != 0) == pytest.approx(0.6, abs=0.03)
        assert np.abs(angles).max() == pytest.approx(90)
        assert np.median(np.abs(angles[angles != 0])) == pytest.approx(0.6745 * 45, abs=2)  # of a normal of 45
        centres = np.array([topdown.moved(np.array([10.0, 19.0]), m) for m, _ in views])
        assert np.allclose(centres, [23.5, 31.5])

    def test_half_bodies_of_well_labelled_people(self):
        """In 30 % of views the input's centre is the mean of the upper or the lower joints."""
        views = self.drawn(np.ones(10, bool))
        ends = {"upper": BODY[:6].mean(0), "lower": BODY[6:].mean(0)}
        shares = {
            name: np.mean([np.allclose(topdown.moved(end, m), [23.5, 31.5]) for m, _ in views])
            for name, end in ends.items()
        }
        assert sum(shares.values()) == pytest.approx(0.3, abs=0.03)
        assert shares["upper"] / sum(shares.values()) == pytest.approx(0.69, abs=0.04)

    def test_a_half_by_hand(self):
        """Three upper joints and one lower one: always the upper half, 1.5 times their extent."""
        labelled = np.array([1, 1, 1, 0, 0, 0, 1, 0, 0, 0], bool)
        with libraries_seeded(0):
            centre, extent = topdown.half(BODY, labelled, LOWER, SIZE)
        assert centre == pytest.approx([10, 6])
        assert extent == pytest.approx([1.5 * 8, 1.5 * 8 * 4 / 3])

    def test_no_half_of_a_single_joint(self):
        labelled = np.array([1, 0, 0, 0, 0, 0, 1, 1, 0, 0], bool)
        with libraries_seeded(0):
            assert topdown.half(BODY, labelled, LOWER, SIZE) is None
