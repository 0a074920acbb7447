"""Furniture and things. Each function makes one :class:`Item` with random sizes and colours.

The frame of an item: the middle of its floor area is the origin, z points up, the front faces -y.
"""

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from mtl3d.datasets.synthesis.materials import Color, Material
from mtl3d.datasets.synthesis.objects import Item, Solid
from mtl3d.datasets.synthesis.shapes import box, cylinder, ellipsoid

WOODS: Sequence[tuple[Color, Color]] = (
    ((0.76, 0.58, 0.38), (0.55, 0.37, 0.20)),
    ((0.50, 0.33, 0.20), (0.32, 0.20, 0.11)),
    ((0.86, 0.74, 0.56), (0.72, 0.57, 0.38)),
    ((0.36, 0.22, 0.15), (0.22, 0.13, 0.09)),
    ((0.92, 0.91, 0.88), (0.84, 0.83, 0.80)),
)


def tint(
    rng: Generator,
    saturation: tuple[float, float] = (0.3, 0.75),
    value: tuple[float, float] = (0.45, 0.9),
) -> Color:
    """Draw a colour of any hue."""
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))


def shade(color: Color, factor: float) -> Color:
    """Make a colour darker (factor < 1) or lighter (> 1)."""
    r, g, b = (min(1.0, c * factor) for c in color)
    return r, g, b


def wood(rng: Generator) -> Material:
    """Draw a kind of wood."""
    first, second = WOODS[int(rng.integers(len(WOODS)))]
    return Material(first, second, 'wood', scale=rng.uniform(0.12, 0.25), gloss=0.12)


def fabric(rng: Generator) -> Material:
    """Draw an upholstery."""
    color = tint(rng, value=(0.35, 0.85))
    pattern = rng.choice(['fabric', 'fabric', 'fabric', 'stripes', 'checker'])
    other = shade(color, 0.72)
    return Material(color, other, str(pattern), scale=0.12 if pattern == 'fabric' else 0.1)


def legs(width: float, depth: float, height: float, thickness: float) -> list:
    """Make the four leg meshes of a piece ``width`` x ``depth``."""
    x, y = width / 2 - thickness, depth / 2 - thickness
    return [
        box((thickness, thickness, height), (sx * x, sy * y, height / 2))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]


def table(rng: Generator, width: float, depth: float, height: float) -> Item:
    """A board on four legs."""
    material = wood(rng)
    meshes = [
        box((width, depth, 0.045), (0, 0, height - 0.0225)),
        box((width - 0.12, depth - 0.12, 0.07), (0, 0, height - 0.08)),
        *legs(width, depth, height - 0.04, 0.06),
    ]
    return Item([Solid(mesh, material, 'table') for mesh in meshes], top=height)


def chair(rng: Generator) -> Item:
    """A chair with a back, its seat at 45 cm."""
    frame, seat = wood(rng), fabric(rng)
    meshes = legs(0.43, 0.43, 0.43, 0.04)
    meshes += [box((0.04, 0.04, 0.5), (sx * 0.175, 0.19, 0.68)) for sx in (-1, 1)]
    meshes += [box((0.34, 0.03, 0.1), (0, 0.19, z)) for z in (0.66, 0.86)]
    solids = [Solid(mesh, frame, 'chair') for mesh in meshes]
    solids.append(Solid(ellipsoid((0.22, 0.22, 0.035), (0, 0, 0.435), 0.75), seat, 'chair'))
    return Item(solids, seats=[(0.0, 0.0, 0.46)])


def sofa(rng: Generator, places: int) -> Item:
    """A sofa with one cushion a place, seats at 45 cm."""
    cover, width = fabric(rng), 0.62 * places
    dark = Material(shade(cover.color, 0.8), shade(cover.second, 0.8), cover.pattern, cover.scale)
    accent = fabric(rng)
    solids = [
        Solid(box((width + 0.36, 0.85, 0.26), (0, 0, 0.19)), dark, 'sofa'),
        Solid(ellipsoid((width / 2 + 0.18, 0.13, 0.36), (0, 0.32, 0.5), 0.7), cover, 'sofa'),
    ]
    for side in (-1, 1):
        arm = ellipsoid((0.11, 0.42, 0.28), (side * (width / 2 + 0.1), 0, 0.36), 0.7)
        solids.append(Solid(arm, cover, 'sofa'))
    seats = []
    for i in range(places):
        x = 0.62 * (i + 0.5) - width / 2
        solids.append(Solid(ellipsoid((0.305, 0.36, 0.095), (x, -0.06, 0.37), 0.7), cover, 'sofa'))
        seats.append((x, -0.1, 0.46))
    for side in (-1, 1):
        cushion = ellipsoid((0.2, 0.08, 0.19), (side * (width / 2 - 0.2), 0.14, 0.62), 0.45)
        solids.append(Solid(cushion, accent, 'sofa'))
    return Item(solids, seats=seats)


def bed(rng: Generator) -> Item:
    """A double bed, head at +y."""
    frame, cover = wood(rng), fabric(rng)
    width = rng.uniform(1.3, 1.7)
    white = Material((0.93, 0.93, 0.9), (0.85, 0.85, 0.82), 'fabric')
    solids = [
        Solid(box((width, 2.0, 0.28), (0, 0, 0.16)), frame, 'bed'),
        Solid(box((width + 0.06, 0.06, 1.0), (0, 1.0, 0.5)), frame, 'bed'),
        Solid(ellipsoid((width / 2, 0.99, 0.14), (0, 0, 0.4), 0.75), white, 'bed'),
        Solid(ellipsoid((width / 2 + 0.04, 0.68, 0.16), (0, -0.33, 0.42), 0.8), cover, 'bed'),
    ]
    for side in (-1, 1):
        pillow = ellipsoid((width * 0.2, 0.2, 0.09), (side * width * 0.23, 0.68, 0.58), 0.5)
        solids.append(Solid(pillow, white, 'bed'))
    return Item(solids, seats=[(-width / 4, -0.75, 0.56)])


def cabinet(rng: Generator, width: float, depth: float, height: float) -> Item:
    """A cabinet with doors and knobs."""
    material = wood(rng)
    front = Material(
        shade(material.color, 1.12), shade(material.second, 1.12), 'wood', material.scale, 0.12
    )
    knob = Material((0.8, 0.78, 0.72), gloss=0.6)
    columns, rows = max(1, round(width / 0.5)), max(1, round(height / 0.9))
    solids = [Solid(box((width, depth, height), (0, 0, height / 2)), material, 'cabinet')]
    w, h = width / columns, (height - 0.08) / rows
    for i in range(columns):
        for j in range(rows):
            x, z = (i + 0.5) * w - width / 2, 0.06 + (j + 0.5) * h
            door = box((w - 0.03, 0.03, h - 0.03), (x, -depth / 2 - 0.01, z))
            handle = ellipsoid((0.018, 0.025, 0.018), (x + w * 0.36, -depth / 2 - 0.04, z), rings=6)
            solids += [Solid(door, front, 'cabinet'), Solid(handle, knob, 'cabinet')]
    return Item(solids, top=height)


def shelf(rng: Generator, width: float, height: float) -> Item:
    """An open shelf full of books."""
    material, depth = wood(rng), 0.3
    meshes = [box((0.03, depth, height), (s * (width / 2), 0, height / 2)) for s in (-1, 1)]
    meshes.append(box((width, 0.02, height), (0, depth / 2 - 0.01, height / 2)))
    levels = max(2, round(height / 0.37))
    step = (height - 0.05) / levels
    meshes += [box((width, depth, 0.03), (0, 0, 0.03 + i * step)) for i in range(levels + 1)]
    solids = [Solid(mesh, material, 'shelf') for mesh in meshes]
    for i in range(levels):
        x = -width / 2 + 0.03
        while x < width / 2 - 0.16:
            run = min(rng.uniform(0.12, 0.4), width / 2 - 0.03 - x)
            if rng.uniform() < 0.8:
                tall = rng.uniform(0.55, 0.82) * step
                spine = Material(tint(rng), tint(rng), 'spines', rng.uniform(0.03, 0.05))
                center = (x + run / 2, -0.01, 0.045 + i * step + tall / 2)
                solids.append(Solid(box((run - 0.01, 0.2, tall), center), spine, 'book'))
            x += run
    return Item(solids, top=height)


def books(rng: Generator) -> Item:
    """A pile of books."""
    solids, z = [], 0.0
    for _ in range(rng.integers(2, 5)):
        size = (rng.uniform(0.2, 0.28), rng.uniform(0.15, 0.2), rng.uniform(0.025, 0.05))
        solids.append(
            Solid(
                box(size, (rng.uniform(-0.02, 0.02), 0, z + size[2] / 2)),
                Material(tint(rng)),
                'book',
            )
        )
        z += size[2]
    return Item(solids)


def lamp(rng: Generator, height: float) -> Item:
    """A standing lamp; the room gets a light at its shade (see scene.light_of_lamp)."""
    metal = Material((0.3, 0.28, 0.26), gloss=0.5)
    glow = Material(shade((1.0, 0.86, 0.62), rng.uniform(0.9, 1.0)), glow=1.4)
    size = 0.09 + 0.07 * height
    solids = [
        Solid(cylinder(size * 0.8, 0.03), metal, 'lamp'),
        Solid(cylinder(0.015, height * 0.8, (0, 0, 0.02)), metal, 'lamp'),
        Solid(
            cylinder(size, height * 0.18 + 0.1, (0, 0, height * 0.72), size * 0.65), glow, 'lamp'
        ),
    ]
    return Item(solids)


def pendant(rng: Generator, drop: float) -> Item:
    """A lamp that hangs from the ceiling, at z = 0, by ``drop`` metres."""
    metal = Material(tint(rng), gloss=0.4)
    glow = Material((1.0, 0.93, 0.8), glow=1.6)
    solids = [
        Solid(cylinder(0.01, drop, (0, 0, -drop)), metal, 'lamp'),
        Solid(cylinder(0.24, 0.18, (0, 0, -drop - 0.1), 0.09), metal, 'lamp'),
        Solid(ellipsoid((0.12, 0.12, 0.09), (0, 0, -drop - 0.1)), glow, 'lamp'),
    ]
    return Item(solids)


def television(rng: Generator) -> Item:
    """A flat screen on a foot, with a picture on it."""
    width = rng.uniform(0.8, 1.15)
    black = Material((0.05, 0.05, 0.06), gloss=0.4)
    screen = Material(
        tint(rng, value=(0.3, 0.5)), tint(rng, value=(0.5, 0.9)), 'painting', 0.6, glow=0.5
    )
    height = width * 0.56
    solids = [
        Solid(box((width * 0.4, 0.2, 0.02), (0, 0, 0.01)), black, 'television'),
        Solid(box((0.08, 0.04, 0.08), (0, 0.02, 0.05)), black, 'television'),
        Solid(box((width, 0.05, height), (0, 0, 0.08 + height / 2)), black, 'television'),
        Solid(
            box((width - 0.06, 0.01, height - 0.06), (0, -0.026, 0.08 + height / 2)),
            screen,
            'television',
        ),
    ]
    return Item(solids)


def plant(rng: Generator, height: float) -> Item:
    """A pot with leaves."""
    pot = Material(tint(rng, value=(0.5, 0.85)), tint(rng), 'stripes', 0.08, gloss=0.3)
    green = Material(
        (0.2, rng.uniform(0.4, 0.55), 0.16), (0.1, 0.28, 0.08), 'fabric', 0.1, gloss=0.1
    )
    earth = Material((0.2, 0.13, 0.08))
    radius = 0.09 + 0.09 * height
    solids = [
        Solid(cylinder(radius * 0.7, height * 0.3, top_radius=radius), pot, 'plant'),
        Solid(cylinder(radius * 0.9, 0.02, (0, 0, height * 0.3 - 0.01)), earth, 'plant'),
        Solid(cylinder(0.02, height * 0.4, (0, 0, height * 0.28)), earth, 'plant'),
    ]
    for i in range(16):
        angle, rise = i * 2.4, rng.uniform(0.15, 1.1)
        leaf = ellipsoid((height * 0.19, height * 0.07, 0.012), (height * 0.19, 0, 0), rings=6)
        c, s, cr, sr = np.cos(angle), np.sin(angle), np.cos(rise), np.sin(rise)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        lift = np.array([[cr, 0, -sr], [0, 1, 0], [sr, 0, cr]])
        base = (0, 0, height * (0.4 + 0.28 * i / 15))
        solids.append(Solid(leaf.moved(turn @ lift, base), green, 'plant'))
    return Item(solids)


def parcel(rng: Generator) -> Item:
    """A cardboard or painted box."""
    size = rng.uniform((0.28, 0.25, 0.22), (0.5, 0.42, 0.45))
    plain = rng.uniform() < 0.5
    color: Color = (0.72, 0.55, 0.36) if plain else tint(rng)
    pattern = 'plain' if plain else str(rng.choice(['stripes', 'dots', 'checker']))
    material = Material(color, shade(color, 0.6), pattern, 0.12)
    tape = Material((0.85, 0.78, 0.6))
    solids = [
        Solid(box(size, (0, 0, size[2] / 2)), material, 'box'),
        Solid(box((size[0] * 1.01, 0.06, size[2]), (0, 0, size[2] / 2 + 0.003)), tape, 'box'),
    ]
    return Item(solids, top=float(size[2]))


def ball(rng: Generator) -> Item:
    """A toy ball."""
    radius = rng.uniform(0.11, 0.2)
    pattern = str(rng.choice(['stripes', 'checker', 'dots']))
    color = tint(rng, (0.7, 0.95), (0.7, 0.95))
    material = Material(color, tint(rng, (0.0, 0.9), (0.8, 1.0)), pattern, radius, gloss=0.5)
    return Item([Solid(ellipsoid((radius,) * 3, (0, 0, radius)), material, 'ball')])


def rug(rng: Generator, width: float, depth: float) -> Item:
    """A rug with a border, so thin that its rim is no boundary of its own."""
    color = tint(rng, value=(0.35, 0.8))
    pattern = str(rng.choice(['stripes', 'checker', 'dots', 'fabric']))
    field = Material(color, tint(rng, value=(0.5, 0.95)), pattern, rng.uniform(0.18, 0.4))
    border = Material(shade(color, 0.6), shade(color, 0.5), 'fabric', 0.1)
    solids = [
        Solid(box((width, depth, 0.003), (0, 0, 0.0025)), border, 'rug'),
        Solid(box((width - 0.2, depth - 0.2, 0.004), (0, 0, 0.003)), field, 'rug'),
    ]
    return Item(solids, blocks=False)


def picture(rng: Generator, width: float, height: float) -> Item:
    """A framed painting whose back is at y = 0."""
    canvas = Material(tint(rng), tint(rng, (0.1, 0.6), (0.7, 1.0)), 'painting', height * 0.9)
    solids = [
        Solid(box((width, 0.03, height), (0, -0.015, height / 2)), wood(rng), 'picture'),
        Solid(box((width - 0.1, 0.01, height - 0.1), (0, -0.03, height / 2)), canvas, 'picture'),
    ]
    return Item(solids)


def window(width: float, height: float) -> Item:
    """A window with a cross bar, back at y = 0; the room gets daylight there."""
    white = Material((0.93, 0.93, 0.92), gloss=0.2)
    sky = Material((0.62, 0.8, 0.98), (0.9, 0.95, 1.0), 'painting', height * 1.2, glow=1.5)
    z = height / 2
    solids = [Solid(box((width, 0.02, height), (0, -0.01, z)), sky, 'window')]
    for s in (-1, 1):
        solids.append(
            Solid(box((0.07, 0.07, height + 0.07), (s * width / 2, -0.035, z)), white, 'window')
        )
        bar = box((width, 0.068, 0.07), (0, -0.034, z + s * height / 2))
        solids.append(Solid(bar, white, 'window'))
    solids.append(Solid(box((0.04, 0.05, height), (0, -0.025, z)), white, 'window'))
    solids.append(Solid(box((width, 0.048, 0.04), (0, -0.024, z)), white, 'window'))
    return Item(solids)


def curtain(rng: Generator, height: float, material: Material) -> Item:
    """One side of a curtain: a row of folds, back at y = 0."""
    folds = int(rng.integers(3, 6))
    solids = [
        Solid(
            ellipsoid((0.055, 0.04, height / 2), ((i - folds / 2) * 0.08, -0.1, height / 2), 0.6),
            material,
            'curtain',
        )
        for i in range(folds)
    ]
    return Item(solids)


def door(rng: Generator) -> Item:
    """A closed door with its frame, back at y = 0."""
    leaf, frame = wood(rng), Material((0.9, 0.89, 0.86))
    metal = Material((0.75, 0.72, 0.6), gloss=0.8)
    panel = Material(shade(leaf.color, 0.85), shade(leaf.second, 0.85), 'wood', leaf.scale, 0.12)
    solids = [
        Solid(box((1.0, 0.04, 2.08), (0, -0.02, 1.04)), frame, 'door'),
        Solid(box((0.84, 0.06, 2.0), (0, -0.03, 1.0)), leaf, 'door'),
        Solid(ellipsoid((0.06, 0.04, 0.02), (0.34, -0.09, 1.0)), metal, 'door'),
    ]
    solids += [Solid(box((0.56, 0.01, 0.7), (0, -0.058, z)), panel, 'door') for z in (0.55, 1.45)]
    return Item(solids)
