"""Image files: what goes in comes out, and what is broken is named."""

import numpy as np
import pytest
from PIL import Image

from mtl3d.utils.image_io import read_picture, read_stored, write_png


@pytest.mark.parametrize(
    ('shape', 'dtype'), [((5, 7), np.uint8), ((5, 7), np.uint16), ((5, 7, 3), np.uint8)]
)
def test_png_round_trip_is_lossless(tmp_path, shape, dtype):
    top = np.iinfo(dtype).max
    array = np.random.default_rng(0).integers(0, top, shape, dtype=dtype, endpoint=True)
    write_png(tmp_path / 'new' / 'a.png', array)
    back = read_stored(tmp_path / 'new' / 'a.png')
    assert back.dtype == dtype and (back == array).all()


def test_channels_are_red_green_blue(tmp_path):
    write_png(tmp_path / 'red.png', np.array([[[255, 0, 1]]], dtype=np.uint8))
    assert Image.open(tmp_path / 'red.png').getpixel((0, 0)) == (255, 0, 1)
    assert read_picture(tmp_path / 'red.png')[0, 0].tolist() == [255, 0, 1]


def test_pictures_become_upright_rgb(tmp_path):
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    image.save(tmp_path / 'turned.png', exif=exif)
    assert read_picture(tmp_path / 'turned.png')[..., 0].tolist() == [[3, 0], [4, 1], [5, 2]]


def test_sixteen_bits_keep_their_grey_levels(tmp_path):
    levels = np.arange(256, dtype=np.uint16)[None]
    write_png(tmp_path / 'deep.png', levels * 257)
    assert (read_picture(tmp_path / 'deep.png') == levels[..., None]).all()


@pytest.mark.parametrize('dtype', [np.int32, np.float32])
def test_values_without_a_range_are_refused(tmp_path, dtype):
    Image.fromarray(np.ones((2, 3), dtype)).save(tmp_path / 'values.tif')
    with pytest.raises(ValueError, match=r'values\.tif.*more than 8 bits'):
        read_picture(tmp_path / 'values.tif')


def test_a_header_of_nonsense_is_named(tmp_path):
    write_png(tmp_path / 'huge.png', np.zeros((2, 3), np.uint8))
    data = bytearray((tmp_path / 'huge.png').read_bytes())
    data[16:20] = b'\x7f\xff\xff\xff'  # the width
    (tmp_path / 'huge.png').write_bytes(data)
    with pytest.raises(ValueError, match=r'huge\.png'):
        read_picture(tmp_path / 'huge.png')


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent.png'):
        read_picture(tmp_path / 'absent.png')
    (tmp_path / 'text.png').write_text('no image')
    with pytest.raises(ValueError, match='text.png'):
        read_picture(tmp_path / 'text.png')
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    write_png(tmp_path / 'cut.png', noise)
    whole = (tmp_path / 'cut.png').read_bytes()
    (tmp_path / 'cut.png').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match='cut.png'):
        read_picture(tmp_path / 'cut.png')
