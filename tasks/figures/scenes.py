"""The embedded data: drawn people in cluttered scenes, each made from its split and number alone.

One renderer serves three tasks: what the person does, which part each pixel belongs to, where the 17 joints
are. Nothing is downloaded; 5,120 pictures take seconds. Loaded by decoding processes: no torch here.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tasks.data.samples import Row, Sample
from tasks.figures import bodies
from tasks.kinds import joints

VERSION = 1
TRAIN, TEST = 4096, 1024  # samples; val is a slice of train
OVERSAMPLING = 3  # lines and edges are drawn finer by this factor, then averaged

ACTIVITIES = tuple(bodies.ACTIVITIES)
PARTS = (
    "background",
    "head",
    "torso",
    "upper arm",
    "lower arm",
    "upper leg",
    "lower leg",
    "object",
    "occluder",
)
ABOUT: dict[str, Any] = {
    "version": VERSION,
    "test": "test",
    "citation": "figures: procedurally drawn people, part of ticketbench",
    "licence": "that of ticketbench",
    "url": "",
}

# What is drawn where, finer than PARTS: sides apart, to tell which joints are covered.
_HEAD, _TORSO, _OBJECT, _OCCLUDER = 1, 2, 11, 12
_LIMBS = {
    "left upper arm": 3, "right upper arm": 4, "left lower arm": 5, "right lower arm": 6,
    "left upper leg": 7, "right upper leg": 8, "left lower leg": 9, "right lower leg": 10,
}  # fmt: skip
_PART_OF = np.array([0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8], np.uint8)
_SHOWN_BY = {
    "shoulder": ("upper arm", _TORSO), "elbow": ("upper arm", "lower arm"), "wrist": ("lower arm",),
    "hip": ("upper leg", _TORSO), "knee": ("upper leg", "lower leg"), "ankle": ("lower leg",),
}  # fmt: skip
_JOINTS = {
    "upper arm": ("shoulder", "elbow"), "lower arm": ("elbow", "wrist"),
    "upper leg": ("hip", "knee"), "lower leg": ("knee", "ankle"),
}  # fmt: skip

Colour = tuple[int, int, int]
Spot = Sequence[float] | np.ndarray  # x, y, perhaps nearness
Spots = Sequence[Spot] | np.ndarray


@dataclass(frozen=True)
class Figure:
    """One drawn sample.

    Args:
        image: uint8 (H, W, 3).
        parts: uint8 (H, W), indices of PARTS.
        keypoints: float32 (17, 3): x, y in pixels, pixel centres at integers, and COCO's flag: 0 outside the
            picture, 1 covered, 2 visible.
        activity: index of ACTIVITIES.
        area: square pixels of the person, what covers it left away; at least 1.
    """

    image: np.ndarray
    parts: np.ndarray
    keypoints: np.ndarray
    activity: int
    area: float


def samples(split: str) -> list[Sample]:
    """The samples of "train" or "test"; they carry a hash of the code of bodies and joints.

    The cache itself looks at this module's, so that a changed drawing is drawn anew and another checkout of the same
    code is not.
    """
    parts = b"".join(Path(str(part.__file__)).read_bytes() for part in (bodies, joints))
    code = hashlib.blake2b(parts, digest_size=8).hexdigest()
    count = TRAIN if split == "train" else TEST
    return [Sample(f"{split}/{i:05d}", extra=(split, i, code)) for i in range(count)]


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """One sample as arrays: image, parts, keypoints, activity (int64), area (float32)."""
    split, index, _ = sample.extra
    drawn = draw(split, index, size)
    return {
        "image": drawn.image,
        "parts": drawn.parts,
        "keypoints": drawn.keypoints,
        "activity": np.int64(drawn.activity),
        "area": np.float32(drawn.area),
    }


def draw(split: str, index: int, size: tuple[int, int] = (64, 64)) -> Figure:
    """Draw a sample: the same scene at any size, from nothing but its split and index.

    Args:
        split: "train" or "test".
        index: 0 or greater; activities take turns.
        size: (H, W) in pixels.
    """
    digest = hashlib.sha256(f"figures/{VERSION}/{split}/{index}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
    activity = index % len(ACTIVITIES)
    person = _Person(rng, ACTIVITIES[activity])
    scene = _Scene(rng, size)
    person.place(rng, scene.width, scene.height)
    scene.clutter(rng, person)
    scene.person(rng, person)
    area = np.count_nonzero((np.asarray(scene.ids) > 0) & (np.asarray(scene.ids) <= 10)) / OVERSAMPLING**2
    scene.occlude(rng, person)
    ids = np.asarray(scene.ids)
    image = _photograph(rng, scene.colours, min(size))
    middle = OVERSAMPLING // 2
    parts = _PART_OF[ids[middle::OVERSAMPLING, middle::OVERSAMPLING]]
    return Figure(image, parts, person.keypoints(ids), activity, max(float(area), 1.0))


# ---- colours


def _hsv(h: float, s: float, v: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(h % 1.0, min(max(s, 0.0), 1.0), min(max(v, 0.0), 1.0))
    return round(255 * red), round(255 * green), round(255 * blue)


def _cloth(rng: np.random.Generator) -> Colour:
    return _hsv(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.25, 0.95))


def _skin(rng: np.random.Generator) -> Colour:
    return _hsv(rng.uniform(0.03, 0.09), rng.uniform(0.25, 0.6), rng.uniform(0.35, 1.0))


def _hair(rng: np.random.Generator) -> Colour:
    return _hsv(rng.uniform(0.03, 0.12), rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.7))


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(c * factor)) for c in colour)
    return red, green, blue


# ---- the person


class _Person:
    """A posed body with its clothes; after `place`, in pixels of the fine canvas."""

    def __init__(self, rng: np.random.Generator, activity: str) -> None:
        self.activity = activity
        self.body = bodies.build(rng)
        self.stance = bodies.ACTIVITIES[activity](rng, self.body)
        points = bodies.skeleton(self.body, self.stance)
        turn = bodies.view(self.stance, rng.uniform(-6, 14), rng.normal(0, 4.5))
        self.names = {name: row for row, name in enumerate(points)}
        self.points = np.array(list(points.values())) @ turn
        self.things = {name: np.array(outline) @ turn for name, outline in self.stance.things.items()}
        self.shirt, self.trousers, self.shoes = _cloth(rng), _cloth(rng), _shade(_cloth(rng), 0.6)
        self.skin, self.hair = _skin(rng), _hair(rng)
        self.sleeve = int(rng.choice(3, p=[0.25, 0.4, 0.35]))  # long, short, none
        self.shorts = rng.random() < 0.4
        self.edge = rng.uniform(0.35, 0.65)
        self.stripe = _cloth(rng) if rng.random() < 0.4 else None
        self.scale = 1.0

    def place(self, rng: np.random.Generator, width: int, height: int) -> None:
        """Choose the torso's length and the place, so that most of the body is inside."""
        side = min(width, height)
        reach = self.body.head * 1.2
        low = np.minimum(self.points[:, :2].min(0), self.at("head")[:2] - reach) - 0.1
        high = np.maximum(self.points[:, :2].max(0), self.at("head")[:2] + reach) + 0.1
        extent = high - low
        fitting = (np.array([width, height]) / extent).min()
        self.scale = min(rng.uniform(0.24, 0.33) * side, fitting * rng.uniform(1.0, 1.1))
        slack = np.array([width, height]) - extent * self.scale
        start = slack * rng.uniform(0.08, 0.92, 2) + rng.normal(0, 0.015, 2) * side
        shift = np.array([*(start - low * self.scale), 0.0])
        self.points = self.points * self.scale + shift
        self.things = {name: outline * self.scale + shift for name, outline in self.things.items()}

    def at(self, name: str) -> np.ndarray:
        """A point (x, y, nearness)."""
        return self.points[self.names[name]]

    def keypoints(self, ids: np.ndarray) -> np.ndarray:
        """COCO's 17 (x, y, flag) in pixels of the final picture, given what is drawn where on the fine
        canvas."""
        found = np.zeros((len(joints.KEYPOINTS), 3), np.float32)
        height, width = ids.shape
        middle = self.at("head")[2]
        for k, name in enumerate(joints.KEYPOINTS):
            x, y, near = self.at(name)
            if 0 <= x < width and 0 <= y < height:
                found[k] = x / OVERSAMPLING - 0.5, y / OVERSAMPLING - 0.5, 1
                side, _, joint = name.rpartition(" ")
                seen = [p if isinstance(p, int) else _LIMBS[f"{side} {p}"] for p in _SHOWN_BY.get(joint, (_HEAD,))]
                hidden = joint not in _SHOWN_BY and near < middle - 0.05 * self.scale
                found[k, 2] += ids[int(y), int(x)] in seen and not hidden
        return found


# ---- the scene


class _Scene:
    """A colour canvas and, pixel for pixel, what is drawn on it; both finer than the picture."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]) -> None:
        self.height, self.width = (side * OVERSAMPLING for side in size)
        self.side = min(self.height, self.width)
        self.colours = _backdrop(rng, size).resize((self.width, self.height), Image.Resampling.BILINEAR)
        self.ids = Image.new("L", (self.width, self.height), 0)
        self.paint, self.mark = ImageDraw.Draw(self.colours), ImageDraw.Draw(self.ids)

    # primitives: a colour on the one canvas, an identity (None leaves it) on the other

    def polygon(self, corners: Spots, colour: Colour, identity: int | None = None) -> None:
        places = [(float(p[0]), float(p[1])) for p in corners]
        self.paint.polygon(places, fill=colour)
        if identity is not None:
            self.mark.polygon(places, fill=identity)

    def disc(self, centre: Spot, radius: float, colour: Colour, identity: int | None = None) -> None:
        x, y = float(centre[0]), float(centre[1])
        box = [x - radius, y - radius, x + radius, y + radius]
        self.paint.ellipse(box, fill=colour)
        if identity is not None:
            self.mark.ellipse(box, fill=identity)

    def line(self, points: Spots, width: float, colour: Colour, identity: int | None = None) -> None:
        places = [(float(p[0]), float(p[1])) for p in points]
        self.paint.line(places, fill=colour, width=max(1, round(width)), joint="curve")
        if identity is not None:
            self.mark.line(places, fill=identity, width=max(1, round(width)), joint="curve")

    def capsule(self, a: Spot, b: Spot, ra: float, rb: float, colour: Colour, identity: int | None = None) -> None:
        """A limb: two discs and what lies between them."""
        ax, ay, bx, by = float(a[0]), float(a[1]), float(b[0]), float(b[1])
        length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5 or 1.0
        nx, ny = (ay - by) / length, (bx - ax) / length
        corners = [(ax + nx * ra, ay + ny * ra), (bx + nx * rb, by + ny * rb),
                   (bx - nx * rb, by - ny * rb), (ax - nx * ra, ay - ny * ra)]  # fmt: skip
        self.polygon(corners, colour, identity)
        self.disc((ax, ay), ra, colour, identity)
        self.disc((bx, by), rb, colour, identity)

    # what is behind the person

    def clutter(self, rng: np.random.Generator, person: _Person) -> None:
        """Shapes in the colours of people, now and then an object that belongs to another activity."""
        palette = [person.shirt, person.trousers, person.skin, _cloth(rng), _cloth(rng), _skin(rng)]
        for _ in range(int(rng.integers(0, 5))):
            colour = _shade(palette[int(rng.integers(len(palette)))], rng.uniform(0.7, 1.2))
            self._distractor(rng, colour)
        if rng.random() < 0.3 and person.activity != "throwing":
            self.ball(rng, self._somewhere(rng), rng.uniform(0.05, 0.085) * self.side)
        if rng.random() < 0.2 and person.activity != "sitting":
            x, y = self._somewhere(rng)
            wide, high = rng.uniform(0.12, 0.3, 2) * self.side
            corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
            self.box(corners, _cloth(rng))
        if rng.random() < 0.12 and person.activity != "cycling":
            self.ring(self._somewhere(rng), rng.uniform(0.1, 0.16) * self.side, rng)

    def _somewhere(self, rng: np.random.Generator) -> tuple[float, float]:
        return rng.uniform(0, self.width), rng.uniform(0.05, 1.0) * self.height

    def _distractor(self, rng: np.random.Generator, colour: Colour) -> None:
        x, y = self._somewhere(rng)
        long, thick = rng.uniform(0.08, 0.3) * self.side, rng.uniform(0.015, 0.05) * self.side
        angle = rng.uniform(0, 2 * np.pi)
        tip = (x + long * np.cos(angle), y + long * np.sin(angle))
        kind = rng.integers(5)
        if kind < 2:
            self.capsule((x, y), tip, thick, thick * rng.uniform(0.6, 1.2), colour)
        elif kind == 2:
            self.disc((x, y), rng.uniform(0.03, 0.1) * self.side, colour)
        elif kind == 3:
            self.line([(x, y), tip], thick, colour)
        else:
            self.polygon([(x, y), tip, (x + rng.uniform(-1, 1) * long, y + rng.uniform(-1, 1) * long)], colour)

    def ball(self, rng: np.random.Generator, centre: Spot, radius: float) -> None:
        colour = _hsv(rng.random(), rng.uniform(0.4, 1.0), rng.uniform(0.5, 1.0))
        self.disc(centre, radius, _shade(colour, 0.5), _OBJECT)
        self.disc(centre, radius * 0.85, colour)
        x, y = float(centre[0]), float(centre[1])
        self.line([(x - 0.7 * radius, y), (x + 0.7 * radius, y)], radius * 0.35, _shade(colour, 1.6))

    def box(self, corners: Spots, colour: Colour) -> None:
        """A seat or crate: an object with lighter planks."""
        self.polygon(corners, _shade(colour, 0.55), _OBJECT)
        centre = np.mean([np.asarray(c[:2], float) for c in corners], 0)
        self.polygon([centre + 0.82 * (np.asarray(c[:2], float) - centre) for c in corners], colour)

    def ring(self, centre: Spot, radius: float, rng: np.random.Generator) -> None:
        turns = np.linspace(0, 2 * np.pi, 21)
        rim = np.stack([centre[0] + radius * np.cos(turns), centre[1] + radius * np.sin(turns)], 1)
        self.line(rim, 0.026 * self.side, _hsv(rng.random(), 0.3, rng.uniform(0.05, 0.5)), _OBJECT)

    # the person, far parts first

    def person(self, rng: np.random.Generator, person: _Person) -> None:
        """The things that belong to the activity, then the body."""
        self._things(rng, person)
        middle = float(person.at("pelvis")[2] + person.at("neck")[2]) / 2
        parts: list[tuple[float, Callable[[_Person], None]]] = [(middle, self._torso)]
        for side in bodies.SIDES:
            for limb, ends in _JOINTS.items():
                nearness = float(np.mean([person.at(f"{side} {j}")[2] for j in ends]))
                nearness += 0.12 * person.scale if limb == "lower arm" else 0.0
                parts.append((nearness, partial(self._limb, side=side, limb=limb)))
        parts.append((float(person.at("head")[2]) + 0.05 * person.scale, self._head))
        for _, part in sorted(parts, key=lambda pair: pair[0]):
            part(person)
        if person.activity == "throwing" and rng.random() < 0.7:
            hands = [person.at(f"{side} hand") for side in bodies.SIDES]
            back = max(range(2), key=lambda k: _behind(person, hands[k]))
            self.ball(rng, hands[back], rng.uniform(0.18, 0.28) * person.scale)

    def _things(self, rng: np.random.Generator, person: _Person) -> None:
        colour, things = _cloth(rng), person.things
        thick = rng.uniform(0.11, 0.16) * person.scale
        if "mat" in things:
            outline = [*things["mat"], *things["mat"][:2]]
            self.line(outline, 0.26 * person.scale, _shade(colour, 0.6), _OBJECT)
            self.polygon(outline, colour, _OBJECT)
        if "seat" in things:
            if "backrest" in things:
                self.polygon(things["backrest"], _shade(colour, 0.7), _OBJECT)
            top, floor = things["seat"][:4], things["seat"][4:]
            for i, j in ((0, 1), (1, 2), (2, 3), (3, 0)):
                if rng.random() < 0.95:
                    self.polygon(
                        [top[i], top[j], floor[j], floor[i]],
                        _shade(colour, (0.6, 0.75, 0.6, 0.75)[i]),
                        _OBJECT,
                    )
            self.polygon(top, colour, _OBJECT)
        if "frame" in things:
            for wheel in ("rear wheel", "front wheel"):
                self.line(things[wheel], thick, _shade(colour, 0.35), _OBJECT)
            self.line(things["frame"], thick, colour, _OBJECT)
            self.line(things["bar"], thick, _shade(colour, 0.5), _OBJECT)

    def _limb(self, person: _Person, side: str, limb: str) -> None:
        upper, kind = limb.startswith("upper"), limb[6:]
        a, b = (person.at(f"{side} {j}") for j in _JOINTS[limb])
        if kind == "arm":
            covered = person.sleeve == 0 or (upper and person.sleeve == 1)
            colour = person.shirt if covered else person.skin
            radii = (0.135, 0.115) if upper else (0.115, 0.09)
        else:
            colour = person.skin if person.shorts and not upper else person.trousers
            radii = (0.19, 0.145) if upper else (0.145, 0.1)
        ra, rb = (r * person.body.girth * person.scale for r in radii)
        rim = 0.055 * person.scale
        identity = _LIMBS[f"{side} {limb}"]
        self.capsule(a, b, ra + rim, rb + rim, _shade(colour, person.edge), identity)
        self.capsule(a, b, ra, rb, colour)
        if not upper:
            end = person.at(f"{side} " + ("hand" if kind == "arm" else "toe"))
            tip = person.skin if kind == "arm" else person.shoes
            self.capsule(b, end, rb * 1.05, rb * 0.95, tip, identity)

    def _torso(self, person: _Person) -> None:
        left, right, lhip, rhip = (person.at(n) for n in ("left shoulder", "right shoulder", "left hip", "right hip"))
        neck, pelvis, scale = person.at("neck"), person.at("pelvis"), person.scale * person.body.girth**0.5
        rim = 0.055 * person.scale
        for grow, colour, identity in (
            (rim, _shade(person.shirt, person.edge), _TORSO),
            (0.0, person.shirt, None),
        ):
            self.capsule(
                _between(neck, pelvis, 0.16),
                pelvis,
                0.19 * scale + grow,
                0.19 * scale + grow,
                colour,
                identity,
            )
            self.capsule(left, lhip, 0.12 * scale + grow, 0.13 * scale + grow, colour, identity)
            self.capsule(right, rhip, 0.12 * scale + grow, 0.13 * scale + grow, colour, identity)
            self.polygon([left, right, rhip, lhip], colour, identity)
        if person.stripe is not None:
            for t in (0.35, 0.65):
                ends = _between(left, lhip, t), _between(right, rhip, t)
                self.capsule(*ends, 0.07 * person.scale, 0.07 * person.scale, person.stripe)
        lower = _shade(person.trousers, 0.95)
        self.capsule(lhip, rhip, 0.14 * scale, 0.14 * scale, lower)

    def _head(self, person: _Person) -> None:
        head, neck, radius = person.at("head"), person.at("neck"), person.body.head * person.scale
        ahead, crown = person.at("ahead") - head, person.at("crown") - head
        self.capsule(neck, head, 0.1 * person.scale, 0.1 * person.scale, person.skin, _HEAD)
        self.disc(head, radius * 1.08, _shade(person.hair, person.edge), _HEAD)
        self.disc(head, radius, person.hair)
        if ahead[2] > -0.6 * person.scale:
            face = head + (0.3 * ahead - 0.22 * crown) * person.body.head
            self.disc(face, radius * 0.78, person.skin)
        for side in bodies.SIDES:
            eye = person.at(f"{side} eye")
            if eye[2] > head[2] + 0.1 * radius:
                self.disc(eye, 0.13 * radius, (25, 20, 20))

    # what is in front of the person

    def occlude(self, rng: np.random.Generator, person: _Person) -> None:
        """A pole, a rail, a bush or a sign, near the person more often than not."""
        for _ in range(int(rng.choice(3, p=[0.6, 0.32, 0.08]))):
            joint = person.at(joints.KEYPOINTS[int(rng.integers(5, 17))])
            x, y = joint[:2] + rng.normal(0, 0.12, 2) * self.side
            (self._pole, self._rail, self._bush, self._sign)[int(rng.integers(4))](rng, x, y)

    def _pole(self, rng: np.random.Generator, x: float, y: float) -> None:
        half, slope, colour = (
            rng.uniform(0.022, 0.045) * self.side,
            rng.normal(0, 0.04) * self.side,
            _cloth(rng),
        )
        top = rng.uniform(-0.1, 0.3) * self.side
        self.line([(x + slope, top), (x - slope, self.height)], 2 * half, _shade(colour, 0.5), _OCCLUDER)
        self.line([(x + slope, top), (x - slope, self.height)], 1.1 * half, _shade(colour, 1.3))

    def _rail(self, rng: np.random.Generator, x: float, y: float) -> None:
        half, slope, colour = (
            rng.uniform(0.02, 0.04) * self.side,
            rng.normal(0, 0.05) * self.side,
            _cloth(rng),
        )
        for height in (y, y + 0.15 * self.side)[: int(rng.integers(1, 3))]:
            ends = [(-5, height - slope), (self.width + 5, height + slope)]
            self.line(ends, 2 * half, _shade(colour, 0.5), _OCCLUDER)
            self.line(ends, 1.1 * half, _shade(colour, 1.3))

    def _bush(self, rng: np.random.Generator, x: float, y: float) -> None:
        hue = rng.uniform(0.2, 0.42)
        for _ in range(int(rng.integers(6, 12))):
            centre = (x + rng.normal(0, 0.07) * self.side, y + abs(rng.normal(0, 0.08)) * self.side)
            colour = _hsv(hue + rng.normal(0, 0.02), rng.uniform(0.4, 0.9), rng.uniform(0.15, 0.6))
            self.disc(centre, rng.uniform(0.025, 0.06) * self.side, colour, _OCCLUDER)

    def _sign(self, rng: np.random.Generator, x: float, y: float) -> None:
        wide, high = rng.uniform(0.05, 0.11, 2) * self.side
        colour, rim = _cloth(rng), 0.02 * self.side
        for grow, shade in ((rim, 0.3), (0.0, 1.25)):
            corners = [(x + i * (wide + grow), y + j * (high + grow)) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            self.polygon(corners, _shade(colour, shade), _OCCLUDER)
        self.line([(x - wide, y), (x + wide, y)], rim, _shade(colour, 0.6))


def _between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a + share * (b - a)


def _behind(person: _Person, hand: np.ndarray) -> float:
    """How far a hand is behind the face, seen from the neck."""
    return -float(np.dot(hand - person.at("neck"), person.at("ahead") - person.at("head")))


def _backdrop(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Two grounds with a gradient and a texture each, meeting at a horizon."""
    height, width = size
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j].astype(np.float32)  # fmt: skip
    horizon = rng.uniform(0.3, 0.95) + rng.normal(0, 0.04) * (x - 0.5)
    upper, lower = (_ground(rng, x, y) for _ in range(2))
    scene = np.where((y < horizon)[..., None], upper, lower)
    cells = int(rng.integers(4, 20))
    blotches = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize((width, height), 3)
    scene += (np.asarray(blotches, np.float32) - 128) * rng.uniform(0.04, 0.16)
    return Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))


def _ground(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A gradient between two colours with stripes or checks, float32 (H, W, 3)."""
    one, other = (
        np.array(_hsv(rng.random(), rng.uniform(0, 0.35), rng.uniform(0.3, 0.95)), np.float32) for _ in range(2)
    )
    blend = rng.uniform(0.0, 0.6)
    field = (blend * y)[..., None]
    ground = one * (1 - field) + other * field
    kind, angle, waves = rng.integers(3), rng.uniform(0, np.pi), rng.uniform(4, 16)
    along = 2 * np.pi * waves * (np.cos(angle) * x + np.sin(angle) * y)
    if kind == 1:
        ground += (np.sin(along) * rng.uniform(5, 20))[..., None]
    elif kind == 2:
        across = 2 * np.pi * waves * (np.cos(angle) * y - np.sin(angle) * x)
        ground += (np.where(np.sin(along) * np.sin(across) > 0, 1.0, -1.0) * rng.uniform(4, 14))[..., None]
    return ground


def _photograph(rng: np.random.Generator, canvas: Image.Image, side: int) -> np.ndarray:
    """The canvas reduced, sometimes blurred, under uneven and coloured light, with noise; uint8 (H, W, 3)."""
    picture = canvas.reduce(OVERSAMPLING)
    if rng.random() < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7) * side / 64))
    image = np.asarray(picture, np.float32)
    height, width = image.shape[:2]
    slope = rng.uniform(-0.2, 0.2, 2)
    light = slope[0] * np.linspace(-1, 1, height)[:, None] + slope[1] * np.linspace(-1, 1, width)
    gain = rng.uniform(0.85, 1.15, 3) * rng.uniform(0.7, 1.2)
    image = image * ((1 + light)[..., None] * gain).astype(np.float32)
    image += rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 6))
    return np.clip(image, 0, 255).astype(np.uint8)
