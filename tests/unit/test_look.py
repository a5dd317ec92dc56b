"""bench.boards.look: methods look alike everywhere and are told apart, by people who lack red or green cones, too."""

import re
from itertools import combinations

import numpy as np
import pytest

from bench.boards import look
from tickets.drawers import DRAWERS

SEEN = {
    "as most see": np.eye(3),
    "without green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "without red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
"""What linear sRGB becomes: G. Machado, M. Oliveira, L. Fernandes, IEEE TVCG 15, 2009, severity 1."""
LEAST = {"as most see": 20.0, "without green cones": 15.0, "without red cones": 12.5}
"""CIEDE2000 between any two colours that may appear together, on a light ground and on a dark one."""


def lab(colour, sight):
    """CIELAB under D65 of an sRGB colour as somebody sees it."""
    part = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    linear = np.clip(SEEN[sight] @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    )
    share = to_xyz @ linear / to_xyz.sum(1)
    x, y, z = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one, other):
    """The distance of two colours in CIELAB (G. Sharma, W. Wu, E. Dalal, Color Res. Appl. 30, 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    grey = (1 - np.sqrt(mean**7 / (mean**7 + 25**7))) / 2
    a1, a2 = a1 * (1 + grey), a2 * (1 + grey)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 + sum(
        w * np.cos(np.radians(n * hue + s)) for w, n, s in [(-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63)]
    )
    sl = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    twist = 2 * np.sqrt(chroma**7 / (chroma**7 + 25**7)) * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / sh
    return float(np.sqrt(dl**2 + dc**2 + dh**2 - twist * dc * dh))


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_is_that_of_its_paper(one, other, distance):
    assert ciede2000(one, other) == pytest.approx(distance, abs=1e-4)


@pytest.mark.parametrize("sight", SEEN)
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_colours_that_appear_together_are_told_apart(sight, ground):
    colours = {family: pair[ground == "dark"] for family, pair in look.COLOURS.items()}
    found = {(a, b): ciede2000(lab(colours[a], sight), lab(colours[b], sight)) for a, b in combinations(colours, 2)}
    nearest = min(found, key=found.get)
    print(sight, ground, round(found[nearest], 1), nearest)
    assert found[nearest] >= LEAST[sight], nearest


@pytest.mark.parametrize(("ground", "number"), [(look.PAPER, 0), (look.DARK_PAPER, 1)])
def test_marks_stand_out_from_their_ground(ground, number):
    """WCAG 2.2, 1.4.11: three to one for graphics."""
    for family, pair in look.COLOURS.items():
        assert look._contrast(pair[number], ground) >= 3, family


def test_every_method_of_ours_has_a_look_of_its_own():
    names = list(DRAWERS.names())
    found = look.looks(names)
    assert {look.family(name) for name in names} <= look.FAMILIES.keys()
    assert len(set(found.values())) == len(names)
    assert all(found[name] == look.look(name) for name in names)


def test_a_look_is_a_methods_own_whatever_else_is_shown():
    assert look.looks(["omp", "imp"])["imp"] == look.looks(["early_bird", "imp", "imp@rounds=3"])["imp"]
    with_options = look.looks(["imp@rounds=3"])["imp@rounds=3"]
    assert with_options.family == "rewind" and with_options.shape not in {
        look.look(n).shape for n in look.FAMILIES["rewind"]
    }


def test_methods_of_others_that_would_look_alike_do_not():
    names = [f"mine{number}" for number in range(len(look.SHAPES))]
    assert len({look.look(name) for name in names}) < len(names)
    assert len(set(look.looks(names).values())) == len(names)


def test_no_text_of_a_cell_is_hard_to_read():
    """WCAG 2.2, 1.4.3: four and a half to one."""
    grounds = [look.of_share(share / 20) for share in range(21)]
    grounds += [
        look.of_difference(sign * value / 20, 1, told)
        for value in range(21)
        for sign in (-1, 1)
        for told in (True, False)
    ]
    assert min(look._contrast(look.ink_on(ground), ground) for ground in grounds) >= 4.5


def test_undecided_cells_are_paler_than_any_decided_one():
    weakest, undecided = look.of_difference(0.001, 1, True), look.of_difference(1, 1, False)
    assert look.luminance(undecided) > look.luminance(weakest)
    assert look.of_difference(0, 0, False) == look.PAPER


def test_a_shape_is_a_closed_path_within_its_box():
    for name, (_, path) in look.SHAPES.items():
        assert path.startswith("M") and path.endswith("Z"), name
        assert max(abs(float(number)) for number in re.findall(r"-?[\d.]+", path)) <= 1, name
