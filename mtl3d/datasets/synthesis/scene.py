"""A random furnished room with people, lights and cameras.

World frame: the floor's corner is the origin, x runs along the back wall, y from the camera's side
to the back wall, z up; metres.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from mtl3d.datasets.synthesis import figures
from mtl3d.datasets.synthesis import furniture as make
from mtl3d.datasets.synthesis.camera import Camera, intrinsics, look_at
from mtl3d.datasets.synthesis.materials import Color, Material
from mtl3d.datasets.synthesis.objects import Item, Solid
from mtl3d.datasets.synthesis.shapes import box

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """A rectangular lamp.

    Attributes:
        center: Its middle in metres.
        half_edges: Two vectors from the middle to the middles of its sides.
        power: Linear RGB; the irradiance at 1 m, face to face.
        facing: Unit normal of a one-sided lamp, None for one that shines in all directions.
    """

    center: Point
    half_edges: tuple[Point, Point]
    power: Color
    facing: Point | None = None


@dataclass(frozen=True)
class Scene:
    """All that is needed to make the images of one room."""

    items: Sequence[Item]
    lights: Sequence[Light]
    cameras: Sequence[Camera]


# Position along a wall, and what stands there, its back to the wall.
_WALLS = ('left', 'back', 'right')


class _Room:
    """The room while it is being furnished."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.width, self.depth = rng.uniform((3.7, 4.2), (5.2, 5.4))
        self.height = rng.uniform(2.4, 2.75)
        self.items: list[Item] = []
        self.lights: list[Light] = []
        self._blocked: list[np.ndarray] = []

    def block(self, low: Sequence[float], high: Sequence[float]) -> None:
        """Keep a volume free."""
        self._blocked.append(np.array([low, high], dtype=np.float64))

    def add(self, item: Item) -> None:
        """Put an item in its place without asking."""
        self.items.append(item)
        if item.blocks:
            self._blocked.append(item.bounds())

    def fits(self, item: Item) -> bool:
        """Tell whether an item lies inside the room and clear of all others."""
        low, high = item.bounds()
        room = np.array([self.width, self.depth, self.height])
        if (low < -1e-6).any() or (high > room + 1e-6).any():
            return False
        return not any((low < b[1]).all() and (high > b[0]).all() for b in self._blocked)

    def try_place(self, propose: Callable[[], Item], tries: int = 25) -> Item | None:
        """Add the first of several proposals that fits; None when none does."""
        for _ in range(tries):
            item = propose()
            if self.fits(item):
                self.add(item)
                return item
        return None

    def at_wall(
        self, item: Item, wall: str, gap: float = 0.03, z: float = 0.0, where: tuple = (0.0, 1.0)
    ) -> Item | None:
        """Stand or hang an item with its back to a wall at a random place.

        Args:
            item: What to place.
            wall: ``left``, ``back`` or ``right``.
            gap: Distance from the wall in metres.
            z: Height above the floor in metres.
            where: Range along the wall, as fractions of its length.
        """
        low, high = item.bounds()
        behind = high[1] + gap

        def propose() -> Item:
            length = self.width if wall == 'back' else self.depth
            half = (high[0] - low[0]) / 2
            start, stop = where[0] * length + half, where[1] * length - half
            along = self.rng.uniform(start, max(start, stop))
            if wall == 'back':
                return replace(item, position=(along, self.depth - behind, z))
            if wall == 'left':
                return replace(item, position=(behind, along, z), yaw=np.pi / 2)
            return replace(item, position=(self.width - behind, along, z), yaw=-np.pi / 2)

        return self.try_place(propose)

    def on_floor(self, item: Item, low: Sequence[float], high: Sequence[float]) -> Item | None:
        """Stand an item on the floor, turned at random, with its origin in a rectangle."""

        def propose() -> Item:
            x, y = self.rng.uniform(low, high)
            return replace(item, position=(x, y, 0.0), yaw=self.rng.uniform(-np.pi, np.pi))

        return self.try_place(propose)

    def on_top(self, item: Item, support: Item, spread: float = 0.6) -> Item:
        """Stand an item on another one's top surface."""
        assert support.top is not None
        low, high = support.bounds()
        middle, reach = (low + high) / 2, (high - low) / 2 * spread
        size = item.bounds()
        reach = np.maximum(np.minimum(reach, (high - low) / 2 - (size[1] - size[0]) / 2), 0)
        x, y = self.rng.uniform(middle[:2] - reach[:2], middle[:2] + reach[:2])
        placed = replace(
            item, position=(x, y, support.position[2] + support.top + 1e-3), yaw=support.yaw
        )
        self.add(placed)
        return placed


def random_room(
    rng: Generator, *, size: tuple[int, int], num_views: int, arc_degrees: float = 5.0
) -> Scene:
    """Invent a furnished room and the cameras that look at it.

    Args:
        rng: The source of all choices.
        size: Height and width of the images in pixels.
        num_views: How many views to take along an arc.
        arc_degrees: Angle between consecutive views, seen from the middle of the room.

    Returns:
        The scene; each item is one instance.
    """
    room = _Room(rng)
    _add_shell(room)
    cameras = _cameras(room, size, num_views, arc_degrees)
    _add_openings(room)
    rng.choice(_RECIPES)(room)  # type: ignore[arg-type]
    _fill_walls(room)
    _add_lights(room)
    _add_people(room)
    _add_clutter(room)
    _add_pictures(room)
    return Scene(room.items, room.lights, cameras)


def _add_shell(room: _Room) -> None:
    rng, (w, d, h) = room.rng, (room.width, room.depth, room.height)
    t = 0.2
    wall = make.tint(rng, (0.03, 0.3), (0.75, 0.95))
    accent = make.tint(rng, (0.15, 0.45), (0.6, 0.9)) if rng.uniform() < 0.5 else wall
    accent_pattern = str(rng.choice(['plain', 'stripes', 'dots'])) if accent != wall else 'plain'
    first, second = make.WOODS[int(rng.integers(len(make.WOODS) - 1))]
    floors = [
        Material(first, make.shade(second, 0.7), 'planks', rng.uniform(0.11, 0.17), gloss=0.2),
        Material(first, make.shade(second, 0.7), 'planks', rng.uniform(0.11, 0.17), gloss=0.2),
        Material((0.85, 0.83, 0.79), (0.5, 0.48, 0.46), 'tiles', 0.45, gloss=0.35),
        Material((0.9, 0.88, 0.84), (0.32, 0.32, 0.35), 'checker', 0.4, gloss=0.35),
        Material(make.tint(rng, (0.1, 0.4), (0.5, 0.7)), (0.3, 0.28, 0.26), 'fabric', 0.15),
    ]
    floor = floors[rng.integers(len(floors))]
    plain = Material(wall, make.shade(wall, 0.8), 'plain', 0.5)
    back = Material(accent, make.shade(accent, 0.86), accent_pattern, rng.uniform(0.15, 0.3))
    white = Material((0.95, 0.95, 0.93), (0.85, 0.85, 0.85), 'plain', 0.5)
    base = Material((0.92, 0.91, 0.88), gloss=0.2)
    shell = [
        [Solid(box((w + 2 * t, d + 2 * t, t), (w / 2, d / 2, -t / 2)), floor, 'floor')],
        [Solid(box((w + 2 * t, d + 2 * t, t), (w / 2, d / 2, h + t / 2)), white, 'ceiling')],
        [
            Solid(box((t, d + 2 * t, h + t), (-t / 2, d / 2, h / 2)), plain, 'wall'),
            Solid(box((0.004, d, 0.08), (0.002, d / 2, 0.04)), base, 'wall'),
        ],
        [
            Solid(box((t, d + 2 * t, h + t), (w + t / 2, d / 2, h / 2)), plain, 'wall'),
            Solid(box((0.004, d, 0.08), (w - 0.002, d / 2, 0.04)), base, 'wall'),
        ],
        [
            Solid(box((w, t, h + t), (w / 2, d + t / 2, h / 2)), back, 'wall'),
            Solid(box((w, 0.004, 0.08), (w / 2, d - 0.002, 0.04)), base, 'wall'),
        ],
        [Solid(box((w, t, h + t), (w / 2, -t / 2, h / 2)), plain, 'wall')],
    ]
    for solids in shell:
        room.add(Item(solids, blocks=False))


def _cameras(
    room: _Room, size: tuple[int, int], num_views: int, arc_degrees: float
) -> list[Camera]:
    """Place the cameras on an arc about the middle of the room and keep the space there free."""
    rng = room.rng
    target = np.array(
        [room.width * rng.uniform(0.42, 0.58), room.depth * 0.62, rng.uniform(0.85, 1.15)]
    )
    start = np.array(
        [room.width * rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.5), rng.uniform(1.35, 1.7)]
    )
    matrix = intrinsics(size, rng.uniform(62, 72))
    steps = np.deg2rad(arc_degrees) * (np.arange(num_views) - (num_views - 1) / 2)
    positions, cameras = [], []
    for angle in steps:
        c, s = np.cos(angle), np.sin(angle)
        x, y, z = start - target
        position = target + (c * x - s * y, s * x + c * y, z + rng.uniform(-0.04, 0.04))
        limit = np.array([room.width, room.depth, room.height]) - 0.25
        position = np.clip(position, 0.25, limit)
        jitter = rng.uniform(-0.06, 0.06, 3)
        cameras.append(Camera(matrix, look_at(position, target + jitter), size))
        positions.append(position)
    low, high = np.min(positions, axis=0), np.max(positions, axis=0)
    room.block((low[0] - 0.7, 0, 0), (high[0] + 0.7, high[1] + 1.0, room.height))
    return cameras


def _add_openings(room: _Room) -> None:
    """Put in a door, one or two windows with curtains, and the daylight."""
    rng = room.rng
    walls = [_WALLS[i] for i in rng.permutation(3)]
    for wall in walls[: rng.integers(1, 3)]:
        width, height = rng.uniform((0.9, 1.1), (1.5, 1.4))
        pane = room.at_wall(make.window(width, height), wall, 0.0, 0.9, (0.25, 0.95))
        if pane is None:
            continue
        sky = rng.uniform(1.5, 3.5)
        room.lights.append(
            Light(
                tuple(pane.to_room((0, -0.12, height / 2))),
                (tuple(pane.rotation @ (width / 2, 0, 0)), (0.0, 0.0, height / 2)),
                (0.9 * sky, 0.97 * sky, 1.1 * sky),
                tuple(pane.rotation @ (0, -1, 0)),
            )
        )
        if rng.uniform() < 0.75:
            drop = Material(make.tint(rng, (0.2, 0.7), (0.5, 0.9)), (1, 1, 1), 'plain', 0.3)
            for side in (-1, 1):
                drape = make.curtain(rng, height + 0.55, drop)
                at = pane.to_room((side * (width / 2 + 0.12), 0, -0.4))
                drape = replace(drape, position=tuple(at), yaw=pane.yaw)
                room.add(drape)
    entry = room.at_wall(make.door(rng), walls[-1], 0.0, 0.0, (0.3, 0.98))
    if entry is not None:
        low, high = entry.bounds()
        room.block(low - 0.35, high + 0.35)


def _living(room: _Room) -> None:
    rng = room.rng
    side = str(rng.choice(['left', 'right']))
    wall = str(rng.choice(['back', side]))
    seat = room.at_wall(make.sofa(rng, int(rng.integers(2, 4))), wall, 0.06, where=(0.2, 0.95))
    if seat is not None:
        front = replace(seat, position=tuple(seat.to_room((0, -1.05, 0))))
        low_table = make.table(rng, rng.uniform(0.8, 1.1), 0.5, 0.42)
        low_table = replace(low_table, position=front.position, yaw=seat.yaw)
        room.add(replace(make.rug(rng, 2.3, 1.6), position=front.position, yaw=seat.yaw))
        if room.fits(low_table):
            room.add(low_table)
            room.on_top(make.books(rng), low_table)
    opposite = {'back': side, 'left': 'right', 'right': 'left'}[wall]
    stand = room.at_wall(make.cabinet(rng, 1.3, 0.42, 0.5), opposite, where=(0.35, 1.0))
    if stand is not None:
        room.on_top(make.television(rng), stand, 0.1)
    room.at_wall(make.shelf(rng, rng.uniform(0.8, 1.2), rng.uniform(1.6, 2.0)), 'back')


def _bedroom(room: _Room) -> None:
    rng = room.rng
    rest, item = None, make.bed(rng)
    for wall in ('back', *rng.permutation(['left', 'right'])):
        rest = rest or room.at_wall(item, str(wall), 0.05, where=(0.05, 0.95))
    if rest is not None:
        half = item.bounds()[1, 0]
        for x in (-half - 0.32, half + 0.32):
            stand = make.cabinet(rng, 0.5, 0.4, 0.5)
            stand = replace(stand, position=tuple(rest.to_room((x, 0.8, 0))), yaw=rest.yaw)
            if room.fits(stand):
                room.add(stand)
                if rng.uniform() < 0.8:
                    _switch_on(room, room.on_top(make.lamp(rng, 0.45), stand, 0.1))
        rug = make.rug(rng, 2.4, 1.6)
        room.add(replace(rug, position=tuple(rest.to_room((0, -0.9, 0))), yaw=rest.yaw))
    wardrobe = make.cabinet(rng, rng.uniform(1.0, 1.5), 0.55, 2.0)
    room.at_wall(wardrobe, str(rng.choice(['left', 'right'])), where=(0.45, 1.0))
    _desk(room, str(rng.choice(['left', 'right'])))


def _dining(room: _Room) -> None:
    rng = room.rng
    width, depth = rng.uniform((1.1, 0.8), (1.6, 0.95))
    board = make.table(rng, width, depth, 0.75)
    x, y = room.width * rng.uniform(0.42, 0.58), room.depth * rng.uniform(0.58, 0.68)
    board = replace(board, position=(x, y, 0.0))
    room.add(board)
    room.add(replace(make.rug(rng, width + 1.2, depth + 1.2), position=(x, y, 0.0)))
    style = rng.integers(2**32)
    spots = [
        (sx * width / 4, sy * (depth / 2 + 0.12), 0.0 if sy > 0 else np.pi)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    spots += [(sx * (width / 2 + 0.15), 0.0, -sx * np.pi / 2 + np.pi * (sx > 0)) for sx in (-1, 1)]
    for sx, sy, yaw in spots:
        if rng.uniform() < 0.7:
            seat = make.chair(np.random.default_rng(style))
            yaw = yaw + rng.uniform(-0.15, 0.15)
            if abs(sy) < 1e-9:
                yaw = np.pi / 2 if sx < 0 else -np.pi / 2
            room.add(replace(seat, position=(x + sx, y + sy, 0.0), yaw=yaw))
    if rng.uniform() < 0.7:
        room.on_top(make.plant(rng, 0.35), board, 0.2)
    room.at_wall(make.cabinet(rng, rng.uniform(1.0, 1.6), 0.42, rng.uniform(0.8, 1.0)), 'back')
    room.at_wall(make.shelf(rng, rng.uniform(0.7, 1.1), rng.uniform(1.2, 2.0)), 'left')


def _study(room: _Room) -> None:
    rng = room.rng
    _desk(room, 'back')
    room.at_wall(make.shelf(rng, rng.uniform(0.9, 1.4), rng.uniform(1.7, 2.1)), 'back')
    side = str(rng.choice(['left', 'right']))
    room.at_wall(make.sofa(rng, 2), side, 0.06, where=(0.3, 1.0))
    other = 'left' if side == 'right' else 'right'
    room.at_wall(make.shelf(rng, rng.uniform(0.8, 1.2), rng.uniform(1.2, 2.0)), other)
    rug = make.rug(rng, rng.uniform(1.6, 2.4), rng.uniform(1.2, 1.7))
    room.add(replace(rug, position=(room.width / 2, room.depth * 0.6, 0.0)))


_RECIPES = (_living, _bedroom, _dining, _study)


def _fill_walls(room: _Room) -> None:
    """Put something more along the walls where there is space."""
    rng = room.rng
    for wall in _WALLS:
        kind = rng.integers(5)
        if kind == 0:
            piece = make.cabinet(rng, rng.uniform(0.6, 1.1), 0.4, rng.uniform(0.7, 1.0))
        elif kind == 1:
            piece = make.sofa(rng, 1)
        elif kind == 2:
            piece = make.chair(rng)
        elif kind == 3:
            piece = make.shelf(rng, rng.uniform(0.6, 0.9), rng.uniform(0.9, 1.9))
        else:
            piece = make.table(rng, 0.6, 0.4, 0.7)
        placed = room.at_wall(piece, wall, 0.05, where=(0.4, 1.0))
        if placed is not None and placed.top is not None and placed.top < 1.1:
            small = [make.books(rng), make.plant(rng, 0.4), make.lamp(rng, 0.45)][rng.integers(3)]
            on_top = room.on_top(small, placed, 0.5)
            if small.solids[0].semantic == 'lamp':
                _switch_on(room, on_top)


def _desk(room: _Room, wall: str) -> None:
    rng = room.rng
    desk = room.at_wall(make.table(rng, rng.uniform(1.1, 1.4), 0.62, 0.74), wall, where=(0.3, 1.0))
    if desk is None:
        return
    room.on_top(make.television(rng), desk, 0.2)
    room.on_top(make.books(rng), desk, 0.9)
    seat = replace(
        make.chair(rng),
        position=tuple(desk.to_room((rng.uniform(-0.15, 0.15), -0.45, 0))),
        yaw=desk.yaw + np.pi + rng.uniform(-0.4, 0.4),
    )
    room.add(seat)


def _switch_on(room: _Room, lamp: Item, power: float = 0.35) -> None:
    """Give the room the light of a lamp."""
    low, high = lamp.bounds()
    x, y = (low[:2] + high[:2]) / 2
    z = low[2] + (high[2] - low[2]) * 0.82
    edges = ((0.05, 0.0, 0.0), (0.0, 0.05, 0.0))
    room.lights.append(Light((x, y, z), edges, (power, 0.8 * power, 0.52 * power)))


def _add_lights(room: _Room) -> None:
    rng = room.rng
    x, y = room.width * rng.uniform(0.4, 0.6), room.depth * rng.uniform(0.45, 0.6)
    power = rng.uniform(1.6, 2.8)
    drop = rng.uniform(0.3, 0.5)
    room.add(replace(make.pendant(rng, drop), position=(x, y, room.height)))
    edges = ((0.14, 0.0, 0.0), (0.0, 0.14, 0.0))
    center = (x, y, room.height - drop - 0.22)
    room.lights.append(Light(center, edges, (power, 0.93 * power, 0.8 * power)))
    if rng.uniform() < 0.6:
        wall = str(rng.choice(_WALLS))
        standing = room.at_wall(make.lamp(rng, rng.uniform(1.4, 1.65)), wall, 0.1, where=(0.3, 1.0))
        if standing is not None:
            _switch_on(room, standing, 0.6)


def _add_people(room: _Room) -> None:
    rng = room.rng
    count = int(rng.choice([0, 1, 2, 3], p=[0.05, 0.35, 0.4, 0.2]))
    seats = [(item, seat) for item in room.items for seat in item.seats]
    for _ in range(count):
        if seats and rng.uniform() < 0.45:
            item, seat = seats.pop(rng.integers(len(seats)))
            pose = figures.SITTING_POSES[str(rng.choice(list(figures.SITTING_POSES)))]
            sitting = figures.person(rng, pose, hip_height=0.0)
            sitting = replace(sitting, position=tuple(item.to_room(seat)), yaw=item.yaw)
            room.add(sitting)
            continue
        pose = figures.STANDING_POSES[str(rng.choice(list(figures.STANDING_POSES)))]
        standing = figures.person(rng, pose)

        def propose(standing: Item = standing) -> Item:
            x = rng.uniform(0.5, room.width - 0.5)
            y = rng.uniform(2.5, room.depth - 0.4)
            # Most people turn towards the camera.
            return replace(standing, position=(x, y, 0.0), yaw=rng.normal(0, 0.8))

        room.try_place(propose, tries=40)


def _add_clutter(room: _Room) -> None:
    rng = room.rng
    things = [make.ball, make.ball, make.parcel, make.parcel, make.books]
    for i in rng.permutation(len(things))[: rng.integers(2, 5)]:
        room.on_floor(things[i](rng), (0.4, 1.5), (room.width - 0.4, room.depth - 0.5))
    for _ in range(rng.integers(1, 3)):
        green = make.plant(rng, rng.uniform(0.7, 1.3))
        room.at_wall(green, str(rng.choice(_WALLS)), 0.08, where=(0.3, 1.0))


def _add_pictures(room: _Room) -> None:
    rng = room.rng
    for wall in _WALLS:
        for _ in range(rng.integers(1, 3)):
            frame = make.picture(rng, *rng.uniform((0.4, 0.35), (0.9, 0.65)))
            room.at_wall(frame, wall, 0.001, rng.uniform(1.3, 1.55), (0.2, 1.0))
