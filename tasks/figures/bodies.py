"""How a figure holds itself: a skeleton in three dimensions, posed by what the person does, seen from a
random side.

Lengths are in torsos (neck to mid-hip is 1), angles in degrees. In the body's frame x points to the person's
left, y up, z ahead; seen from yaw 0 the person faces the viewer. Loaded by decoding processes: no torch here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Point = tuple[float, float, float]
SIDES = {"left": 1.0, "right": -1.0}


@dataclass
class Build:
    """One person's proportions."""

    thigh: float
    shin: float
    upper_arm: float
    forearm: float
    shoulder: float  # half the width
    hip: float
    head: float  # radius
    girth: float  # a factor on the limbs' thickness


@dataclass
class Stance:
    """What an activity decides; limbs are (forward, outward) angles from hanging straight down, upper and
    lower part."""

    yaw: float
    lean: float = 0.0  # of the torso, forward
    tilt: float = 0.0  # of the torso, to the person's left
    nod: float = 0.0  # of the head, forward
    pitch: float = 0.0  # of the whole body, forward: 90 lies on the front, -90 on the back
    arms: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    legs: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    feet: dict[str, Point] = field(default_factory=dict)  # where the ankles are instead, seen from the mid-hip
    hands: dict[str, Point] = field(default_factory=dict)
    things: dict[str, list[Point]] = field(default_factory=dict)  # outlines in the body's frame, behind the person


def build(rng: np.random.Generator) -> Build:
    """Proportions of an adult, or now and then of a child (a larger head on shorter limbs)."""
    child = rng.random() < 0.2
    limb = rng.uniform(0.74, 0.88) if child else rng.uniform(0.9, 1.12)
    return Build(
        thigh=0.83 * limb * rng.uniform(0.95, 1.05),
        shin=0.83 * limb * rng.uniform(0.95, 1.05),
        upper_arm=0.62 * limb * rng.uniform(0.95, 1.05),
        forearm=0.56 * limb * rng.uniform(0.95, 1.05),
        shoulder=rng.uniform(0.31, 0.4),
        hip=rng.uniform(0.17, 0.22),
        head=rng.uniform(0.3, 0.36) if child else rng.uniform(0.24, 0.29),
        girth=rng.uniform(1.0, 1.35),
    )


# ---- what each activity looks like


def standing(rng: np.random.Generator, body: Build) -> Stance:
    """Upright; arms hanging, on the hips, folded, or one hand at the chin."""
    yaw = rng.uniform(-100, 100) if rng.random() < 0.92 else rng.uniform(120, 240)
    spread = rng.uniform(1, 9)
    legs = {side: (rng.normal(0, 4), spread, rng.normal(-2, 4), spread) for side in SIDES}
    return Stance(yaw, rng.normal(0, 4), rng.normal(0, 3), rng.normal(5, 8), arms=_resting(rng), legs=legs)


def _resting(rng: np.random.Generator) -> dict[str, tuple[float, float, float, float]]:
    manner = rng.choice(4, p=[0.5, 0.2, 0.15, 0.15])
    hanging = {s: (rng.normal(0, 9), rng.uniform(4, 16), rng.normal(8, 10), rng.uniform(2, 12)) for s in SIDES}
    if manner == 1:
        return {
            side: (rng.normal(-12, 8), rng.uniform(38, 55), rng.normal(15, 8), rng.uniform(-50, -32)) for side in SIDES
        }
    if manner == 2:
        return {
            side: (rng.normal(18, 6), rng.uniform(4, 12), rng.normal(70, 8), rng.uniform(-60, -40)) for side in SIDES
        }
    if manner == 3:
        hanging[_side(rng)] = (
            rng.normal(25, 8),
            rng.uniform(2, 10),
            rng.normal(135, 10),
            rng.uniform(-35, -10),
        )
    return hanging


def walking(rng: np.random.Generator, body: Build) -> Stance:
    """One leg ahead, the other behind, the arms swinging against them."""
    ahead, behind = _sides(rng)
    stride = rng.uniform(13, 34)
    front = rng.uniform(0.7, 1.0) * stride
    swing = rng.uniform(12, 36)
    return Stance(
        yaw=_aside(rng, 35, 115),
        lean=rng.normal(4, 3),
        nod=rng.normal(4, 6),
        legs={
            ahead: (front, 2, front - rng.uniform(2, 18), 2),
            behind: (-0.8 * stride, 2, -stride - rng.uniform(4, 28), 2),
        },
        arms={
            ahead: (-swing, 6, -swing + rng.uniform(8, 28), 5),
            behind: (swing * rng.uniform(0.7, 1.1), 6, swing + rng.uniform(12, 40), 3),
        },
    )


def running(rng: np.random.Generator, body: Build) -> Stance:
    """A knee high in front, the other foot far behind, elbows bent, leaning forward."""
    ahead, behind = _sides(rng)
    knee = rng.uniform(45, 85)
    back = rng.uniform(5, 38)
    swing = rng.uniform(28, 62)
    return Stance(
        yaw=_aside(rng, 40, 115),
        lean=rng.uniform(6, 24),
        nod=rng.normal(-4, 6),
        legs={
            ahead: (knee, 2, knee - rng.uniform(55, 105), 2),
            behind: (-back, 2, -back - rng.uniform(30, 85), 2),
        },
        arms={
            ahead: (-swing, 10, -swing + rng.uniform(65, 105), -5),
            behind: (swing * rng.uniform(0.5, 0.9), 8, swing + rng.uniform(55, 95), -15),
        },
    )


def sitting(rng: np.random.Generator, body: Build) -> Stance:
    """Thighs level on a seat or a box, sometimes an unseen one; shins down."""
    legs = {}
    for side in SIDES:
        legs[side] = (rng.normal(84, 7), rng.uniform(2, 14), rng.normal(4, 14), rng.uniform(0, 8))
    arms = {s: (rng.uniform(5, 35), rng.uniform(2, 12), rng.uniform(50, 95), rng.uniform(-20, 5)) for s in SIDES}
    if rng.random() < 0.3:
        arms[_side(rng)] = (
            rng.uniform(-40, -15),
            rng.uniform(5, 25),
            rng.uniform(-25, 0),
            rng.uniform(5, 20),
        )
    deep, wide, low = body.thigh * rng.uniform(0.75, 1.0), body.hip + 0.2, -0.2
    floor = -rng.uniform(0.9, 1.05) * body.shin - 0.15
    things = {}
    if rng.random() < 0.85:
        top = [(-wide, low, -0.3), (wide, low, -0.3), (wide, low, deep), (-wide, low, deep)]
        things["seat"] = top + [(x, floor, z) for x, _, z in top]
        if rng.random() < 0.5:
            rest = rng.uniform(0.5, 0.95)
            things["backrest"] = [
                (-wide, low, -0.3),
                (wide, low, -0.3),
                (wide, rest, -0.42),
                (-wide, rest, -0.42),
            ]
    stance = Stance(_aside(rng, 25, 110), rng.normal(2, 9), rng.normal(0, 3), rng.normal(6, 10), arms=arms, legs=legs)
    stance.things = things
    return stance


def lying(rng: np.random.Generator, body: Build) -> Stance:
    """On the back, the front or a side, on the ground or a mat; a knee may be drawn up, an arm under the
    head."""
    legs = {side: (rng.normal(6, 8), rng.uniform(1, 12), rng.normal(-4, 8), rng.uniform(0, 10)) for side in SIDES}
    arms = {s: (rng.normal(8, 14), rng.uniform(4, 40), rng.normal(16, 22), rng.uniform(0, 35)) for s in SIDES}
    if rng.random() < 0.45:
        knee = rng.uniform(35, 80)
        legs[_side(rng)] = (knee, rng.uniform(0, 15), knee - rng.uniform(70, 120), rng.uniform(0, 10))
    if rng.random() < 0.4:
        arms[_side(rng)] = (
            rng.uniform(120, 165),
            rng.uniform(20, 50),
            rng.uniform(185, 235),
            rng.uniform(-40, 0),
        )
    back = rng.random() < 0.65
    stance = Stance(_aside(rng, 55, 125), rng.normal(0, 4), rng.normal(0, 4), rng.normal(0, 8), arms=arms, legs=legs)
    stance.pitch = (-90 if back else 90) + rng.normal(0, 5)
    if rng.random() < 0.5:
        depth = (-1 if back else 1) * 0.3
        stance.things["mat"] = [
            (-0.6, 1.7, depth),
            (0.6, 1.7, depth),
            (0.6, -1.9, depth),
            (-0.6, -1.9, depth),
        ]
    return stance


def waving(rng: np.random.Generator, body: Build) -> Stance:
    """Upright with one arm raised, or both."""
    stance = standing(rng, body)
    stance.yaw = rng.uniform(-75, 75) if rng.random() < 0.85 else rng.uniform(140, 220)
    raised = list(SIDES) if rng.random() < 0.3 else [_side(rng)]
    for side in raised:
        out = rng.uniform(75, 150)
        stance.arms[side] = (rng.normal(0, 12), out, rng.normal(0, 15), rng.uniform(135, 195))
    return stance


def throwing(rng: np.random.Generator, body: Build) -> Stance:
    """A step forward, one arm drawn back with a ball behind the head, the other pointing ahead."""
    arm, other = _sides(rng)
    stride = rng.uniform(12, 32)
    back = rng.uniform(-110, -60) if rng.random() < 0.5 else rng.uniform(195, 240)
    return Stance(
        yaw=_aside(rng, 35, 115),
        lean=rng.uniform(-16, 10),
        tilt=rng.normal(0, 5),
        nod=rng.normal(0, 6),
        legs={
            other: (stride, 3, stride - rng.uniform(0, 25), 3),
            arm: (-stride * rng.uniform(0.5, 1), 3, -stride - rng.uniform(0, 25), 3),
        },
        arms={
            arm: (back, rng.uniform(0, 30), rng.uniform(185, 235), rng.uniform(-10, 20)),
            other: (rng.uniform(55, 100), rng.uniform(0, 25), rng.uniform(65, 110), rng.uniform(-15, 15)),
        },
    )


def cycling(rng: np.random.Generator, body: Build) -> Stance:
    """On a bicycle, hands on the bar, feet on the pedals."""
    turn = rng.uniform(0, 2 * math.pi)
    far = 0.93 * (body.thigh + body.shin) - 0.26
    crank = (0.0, -far * math.cos(0.3), far * math.sin(0.3))
    lean = rng.uniform(22, 58)
    reach = 0.85 * (body.upper_arm + body.forearm)
    shoulder = (math.cos(math.radians(lean)), math.sin(math.radians(lean)))
    bar = (0.0, shoulder[0] - reach * 0.75, shoulder[1] + reach * 0.66)
    feet, hands = {}, {}
    for side, sign in SIDES.items():
        dy, dz = 0.26 * sign * math.cos(turn), 0.26 * sign * math.sin(turn)
        feet[side] = (0.13 * sign, crank[1] + dy, crank[2] + dz)
        hands[side] = (0.26 * sign, bar[1], bar[2])
    stance = Stance(_aside(rng, 45, 120), lean, rng.normal(0, 2), nod=-0.5 * lean, feet=feet, hands=hands)
    radius = rng.uniform(0.58, 0.72)
    rear, front = (
        (0.0, crank[1] + 0.08, crank[2] - 0.85),
        (0.0, crank[1] + 0.08, max(bar[2] + 0.12, crank[2] + 0.95)),
    )
    for name, (x, y, z) in (("rear wheel", rear), ("front wheel", front)):
        ring = [2 * math.pi * k / 20 for k in range(21)]
        stance.things[name] = [(x, y + radius * math.cos(t), z + radius * math.sin(t)) for t in ring]
    saddle, head = (0.0, -0.24, 0.0), (0.0, bar[1] - 0.3, bar[2] - 0.02)
    stance.things["frame"] = [rear, crank, saddle, rear, saddle, head, crank, head, front, head, bar]
    stance.things["bar"] = [hands["left"], hands["right"]]
    return stance


ACTIVITIES: dict[str, Callable[[np.random.Generator, Build], Stance]] = {
    f.__name__: f for f in (standing, walking, running, sitting, lying, waving, throwing, cycling)
}


def _side(rng: np.random.Generator) -> str:
    return "left" if rng.random() < 0.5 else "right"


def _sides(rng: np.random.Generator) -> tuple[str, str]:
    return ("left", "right") if rng.random() < 0.5 else ("right", "left")


def _aside(rng: np.random.Generator, low: float, high: float) -> float:
    """A yaw to either side."""
    return rng.uniform(low, high) * (1 if rng.random() < 0.5 else -1)


# ---- from angles to points


def skeleton(body: Build, stance: Stance) -> dict[str, Point]:
    """Joints in the body's frame, the mid-hip at the origin, before the whole is turned.

    Returns:
        "pelvis", "neck", "head" (its centre), "nose", "crown" (a step up from the head's centre), "ahead" (a
        step in the direction of the face), and for each side "left eye", "ear", "shoulder", "elbow", "wrist",
        "hand", "hip", "knee", "ankle", "toe".
    """
    up = _direction(180 - stance.lean, stance.tilt, 1.0)
    points = {"pelvis": (0.0, 0.0, 0.0), "neck": up}
    skull = _direction(180 - stance.lean - stance.nod, stance.tilt, 1.0)
    face = _direction(90 - stance.lean - stance.nod, 0.0, 1.0)
    head = _step(up, skull, 0.12 + body.head)
    points["head"] = head
    points["crown"], points["ahead"] = _step(head, skull, 1.0), _step(head, face, 1.0)
    points["nose"] = _step(_step(head, face, body.head), skull, -0.15 * body.head)
    for side, sign in SIDES.items():
        across = (
            sign * math.cos(math.radians(stance.tilt)),
            -sign * math.sin(math.radians(stance.tilt)),
            0.0,
        )
        eye = _step(_step(head, face, 0.85 * body.head), skull, 0.2 * body.head)
        points[f"{side} eye"] = _step(eye, across, 0.38 * body.head)
        points[f"{side} ear"] = _step(head, across, 0.95 * body.head)
        shoulder = _step(_step(up, across, body.shoulder), up, -0.06)
        points[f"{side} shoulder"] = shoulder
        points[f"{side} hip"] = hip = (sign * body.hip, 0.0, 0.0)
        _arm(points, side, sign, shoulder, body, stance)
        _leg(points, side, sign, hip, body, stance)
    return points


def _arm(points: dict[str, Point], side: str, sign: float, shoulder: Point, body: Build, stance: Stance) -> None:
    if side in stance.hands:
        wrist = stance.hands[side]
        elbow = _bend(shoulder, wrist, body.upper_arm, body.forearm, (0.3 * sign, -1.0, -0.6))
        along = _unit(_minus(wrist, elbow))
    else:
        f1, a1, f2, a2 = stance.arms[side]
        elbow = _step(shoulder, _direction(f1 + 0.5 * stance.lean, a1, sign), body.upper_arm)
        along = _direction(f2 + 0.5 * stance.lean, a2, sign)
        wrist = _step(elbow, along, body.forearm)
    points |= {f"{side} elbow": elbow, f"{side} wrist": wrist, f"{side} hand": _step(wrist, along, 0.14)}


def _leg(points: dict[str, Point], side: str, sign: float, hip: Point, body: Build, stance: Stance) -> None:
    if side in stance.feet:
        ankle = stance.feet[side]
        knee = _bend(hip, ankle, body.thigh, body.shin, (0.15 * sign, 0.3, 1.0))
        toe = _step(ankle, _direction(80, 0, sign), 0.26)
    else:
        f1, a1, f2, a2 = stance.legs[side]
        knee = _step(hip, _direction(f1, a1, sign), body.thigh)
        ankle = _step(knee, _direction(f2, a2, sign), body.shin)
        toe = _step(ankle, _direction(f2 + 80, a2 + 8, sign), 0.26)
    points |= {f"{side} knee": knee, f"{side} ankle": ankle, f"{side} toe": toe}


def _direction(forward: float, outward: float, sign: float) -> Point:
    """The unit vector that hangs down, swung forward, then lifted outward to the side of this sign."""
    f, a = math.radians(forward), math.radians(outward)
    return (sign * math.sin(a), -math.cos(a) * math.cos(f), math.cos(a) * math.sin(f))


def _bend(start: Point, end: Point, first: float, second: float, towards: Point) -> Point:
    """The middle joint of two segments from start to end, on the side that `towards` points to."""
    line = _minus(end, start)
    distance = math.sqrt(sum(v * v for v in line))
    axis = _unit(line)
    reach = min(distance, 0.999 * (first + second))
    along = (first**2 - second**2 + reach**2) / (2 * reach)
    height = math.sqrt(max(first**2 - along**2, 0.0))
    lift = sum(a * b for a, b in zip(axis, towards, strict=True))
    normal = _unit(_step(towards, axis, -lift))
    return _step(_step(start, axis, along), normal, height)


def _minus(a: Point, b: Point) -> Point:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _step(start: Point, direction: Point, length: float) -> Point:
    x, y, z = direction
    return (start[0] + length * x, start[1] + length * y, start[2] + length * z)


def _unit(v: Point) -> Point:
    length = math.sqrt(sum(c * c for c in v)) or 1.0
    return (v[0] / length, v[1] / length, v[2] / length)


def view(stance: Stance, elevation: float, roll: float) -> np.ndarray:
    """The rotation (3, 3), for points as rows, from the body's frame to the viewer's: x right, y down, z
    nearer.

    Args:
        stance: its pitch and yaw.
        elevation: of the viewer above the horizon, degrees.
        roll: of the picture, degrees.
    """
    turns = _turn(stance.pitch, 1, 2) @ _turn(stance.yaw, 2, 0) @ _turn(elevation, 1, 2) @ _turn(roll, 0, 1)
    return turns * np.array([1.0, -1.0, 1.0])


def _turn(degrees: float, a: int, b: int) -> np.ndarray:
    """The rotation, for points as rows, that carries axis a towards axis b."""
    matrix = np.eye(3)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix[a, a], matrix[a, b], matrix[b, a], matrix[b, b] = cos, sin, -sin, cos
    return matrix
