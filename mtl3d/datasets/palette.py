"""Colours of class ids."""


def voc_palette(count: int, first: int = 0) -> list[tuple[int, int, int]]:
    """List the colours of the PASCAL VOC development kit.

    The bits 0, 1, 2 of an id become the highest bits of red, green and blue, the next three bits
    the second highest, and so on, which keeps neighbouring ids apart.

    Args:
        count: How many colours.
        first: The first id; 1 leaves out black, VOC's background.

    Returns:
        ``count`` RGB triples in 0..255.
    """
    colours = []
    for class_id in range(first, first + count):
        rgb = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                rgb[channel] |= ((class_id >> (3 * bit + channel)) & 1) << (7 - bit)
        colours.append((rgb[0], rgb[1], rgb[2]))
    return colours
