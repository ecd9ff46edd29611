# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sensor messages become the core's types: against a conversion written anew, and cv_bridge."""

from __future__ import annotations

from array import array
from io import BytesIO
import struct
from types import SimpleNamespace
from typing import Any
import zlib

import cv2
from mmer_ros.interfaces.images import (
    chunk_to_block,
    compressed_to_rgb,
    ENCODINGS,
    image_to_rgb,
    MAX_PIXELS,
    PLANAR,
    UnknownEncoding,
)
from mmer_ros.types import InvalidInput, UInt8
import numpy as np
from PIL import Image
import pytest

HEIGHT, WIDTH = 6, 10
CHANNELS = {'rgb8': 3, 'bgr8': 3, 'mono8': 1, 'rgba8': 4, 'bgra8': 4, '8uc1': 1, '8uc3': 3,
            '8uc4': 4, 'yuv422': 2, 'uyvy': 2, 'yuv422_yuy2': 2, 'yuyv': 2, 'yuy2': 2, 'yvyu': 2}
DEEP = {'rgb16': 3, 'bgr16': 3, 'rgba16': 4, 'bgra16': 4, 'mono16': 1, '16uc1': 1, '16uc3': 3,
        '16uc4': 4}
BAYER = {f'bayer_{pattern}{bits}': (pattern, bits) for pattern in ('rggb', 'bggr', 'gbrg', 'grbg')
         for bits in (8, 16)}


def image(encoding: str, pixels: UInt8, padding: int = 0, **changes: Any) -> SimpleNamespace:
    """Return a sensor_msgs/Image of (height, width, channels) pixels, rows padded."""
    rows = pixels.reshape(len(pixels), -1)
    padded = np.concatenate([rows, np.full((len(rows), padding), 0xAB, np.uint8)], axis=1)
    return SimpleNamespace(**{
        'height': pixels.shape[0], 'width': pixels.shape[1], 'encoding': encoding,
        'step': padded.shape[1], 'is_bigendian': 0, 'data': padded.tobytes(), **changes})


def random_pixels(encoding: str, seed: int = 0) -> UInt8:
    shape = HEIGHT, WIDTH, CHANNELS[encoding]
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def by_hand(encoding: str, pixels: UInt8) -> UInt8:
    """Return (height, width, 3) RGB, pixel by pixel; YUV after ITU-R BT.601, video range."""
    out = np.zeros((*pixels.shape[:2], 3), np.uint8)
    for row, column in np.ndindex(*pixels.shape[:2]):
        value = [int(v) for v in pixels[row, column]]
        if encoding in ('rgb8', 'rgba8'):
            rgb: list[float] = [*value[:3]]
        elif encoding in ('bgr8', 'bgra8', '8uc3', '8uc4'):
            rgb = [value[2], value[1], value[0]]
        elif encoding in ('mono8', '8uc1'):
            rgb = [value[0]] * 3
        else:
            pair = [int(v) for v in pixels[row, column - column % 2:][:2].reshape(-1)]
            luma_first = encoding not in ('uyvy', 'yuv422')
            y = pair[2 * (column % 2) + (not luma_first)]
            u, v = (pair[1], pair[3]) if luma_first else (pair[0], pair[2])
            rgb = from_yuv(y, *((v, u) if encoding == 'yvyu' else (u, v)))
        out[row, column] = np.clip(np.rint(rgb), 0, 255)
    return out


def from_yuv(y: int, u: int, v: int) -> list[float]:
    bright = 1.164 * max(y - 16, 0)
    return [bright + 1.596 * (v - 128), bright - 0.391 * (u - 128) - 0.813 * (v - 128),
            bright + 2.018 * (u - 128)]


def test_every_encoding_has_its_test() -> None:
    assert set(ENCODINGS) == {*CHANNELS, *DEEP, *BAYER}
    assert set(PLANAR) == set(CHROMA)


@pytest.mark.parametrize('padding', [0, 1, 7])
@pytest.mark.parametrize('encoding', CHANNELS)
def test_an_image_becomes_rgb(encoding: str, padding: int) -> None:
    pixels = random_pixels(encoding)
    found = image_to_rgb(image(encoding, pixels, padding))
    assert found.shape == (HEIGHT, WIDTH, 3) and found.dtype == np.uint8
    tolerance = 2 if CHANNELS[encoding] == 2 else 0  # OpenCV computes YUV in fixed point
    np.testing.assert_allclose(found.astype(int), by_hand(encoding, pixels).astype(int),
                               atol=tolerance)


@pytest.mark.parametrize('data', [bytes, bytearray, lambda b: array('B', b),
                                  lambda b: np.frombuffer(b, np.uint8)])
def test_whatever_holds_the_bytes_is_read(data: Any) -> None:
    """That of rclpy is an array.array, of rosbags a numpy array, of others bytes."""
    message = image('rgb8', random_pixels('rgb8'))
    expected = image_to_rgb(message)
    message.data = data(message.data)
    np.testing.assert_array_equal(image_to_rgb(message), expected)


def test_the_last_row_needs_no_padding() -> None:
    pixels = random_pixels('bgr8')
    message = image('bgr8', pixels, padding=5)
    message.data = message.data[:-5]
    np.testing.assert_array_equal(image_to_rgb(message), by_hand('bgr8', pixels))


def test_a_step_of_zero_means_rows_without_padding() -> None:
    pixels = random_pixels('rgb8')
    np.testing.assert_array_equal(image_to_rgb(image('rgb8', pixels, step=0)), pixels)


def test_the_image_is_a_copy() -> None:
    """A message whose memory is used again must not change an image."""
    message = image('rgb8', random_pixels('rgb8'))
    message.data = bytearray(message.data)
    found = image_to_rgb(message)
    before = found.copy()
    message.data[:] = bytes(len(message.data))
    np.testing.assert_array_equal(found, before)


@pytest.mark.parametrize('encoding', CHANNELS)
@pytest.mark.parametrize('missing', [1, WIDTH, -1])
def test_truncated_data_are_refused(encoding: str, missing: int) -> None:
    message = image(encoding, random_pixels(encoding))
    message.data = message.data[:-missing] if missing > 0 else b''
    with pytest.raises(InvalidInput, match='truncated'):
        image_to_rgb(message)


@pytest.mark.parametrize('changes', [{'width': 0}, {'height': 0}, {'width': 0, 'height': 0}])
def test_an_image_without_pixels_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match='size .* expected at least 1x1'):
        image_to_rgb(image('rgb8', random_pixels('rgb8'), **changes))


@pytest.mark.parametrize('changes', [{'step': 29}, {'step': 1}, {'width': 11}, {'height': 7}])
def test_a_header_that_does_not_fit_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match='its header is wrong'):
        image_to_rgb(image('rgb8', random_pixels('rgb8'), **changes))


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
def test_pairs_of_pixels_need_an_even_width(encoding: str) -> None:
    with pytest.raises(InvalidInput, match='even width'):
        image_to_rgb(image(encoding, random_pixels(encoding)[:, :9]))


@pytest.mark.parametrize('encoding', ['', '32FC1', '16SC1', '8UC2', 'depth'])
def test_an_unknown_encoding_is_named_and_what_to_do(encoding: str) -> None:
    with pytest.raises(UnknownEncoding, match=f"'{encoding}'.*rgb8.*topic of the colour image"):
        image_to_rgb(image(encoding, random_pixels('rgb8')))


@pytest.mark.parametrize('encoding', ['RGB8', ' rgb8'])
def test_names_of_encodings_are_read_in_any_case(encoding: str) -> None:
    pixels = random_pixels('rgb8')
    np.testing.assert_array_equal(image_to_rgb(image(encoding, pixels)), pixels)


def test_a_size_beyond_memory_is_refused() -> None:
    claims = {'height': 2**32 - 1, 'width': 2**32 - 1}
    with pytest.raises(InvalidInput, match='expected at most 64 million pixels; scale it down'):
        image_to_rgb(image('rgb8', random_pixels('rgb8'), **claims))


def test_a_limit_of_ones_own_holds_for_every_kind_of_image() -> None:
    pixels = random_pixels('rgb8')
    height, width = pixels.shape[:2]
    packed = compressed('png', png_that_claims(width, height))
    for convert, message in (image_to_rgb, image('rgb8', pixels)), (compressed_to_rgb, packed):
        expected = f'size {width}x{height}; expected at most .* or raise max_image_megapixels'
        with pytest.raises(InvalidInput, match=expected):
            convert(message, width * height - 1)
    np.testing.assert_array_equal(image_to_rgb(image('rgb8', pixels), width * height), pixels)


# --------------------------------------------------------------------- sixteen bits, Bayer, planes

@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('bits', [10, 12, 14, 16])
@pytest.mark.parametrize('encoding', DEEP)
def test_sixteen_bits_are_scaled_by_those_that_the_camera_uses(
        encoding: str, bits: int, order: str) -> None:
    shape = HEIGHT, WIDTH, DEEP[encoding]
    values = np.random.default_rng(1).integers(0, 1 << bits, shape).astype(f'{order}u2')
    values[0, 0] = (1 << bits) - 1
    message = image(encoding, values.reshape(HEIGHT, -1).view(np.uint8).reshape(HEIGHT, WIDTH, -1),
                    padding=4, is_bigendian=int(order == '>'))
    small = (values.astype(int) >> (bits - 8)).astype(np.uint8)
    like = {'mono16': 'mono8', '16uc1': '8uc1', '16uc3': '8uc3', '16uc4': '8uc4'}.get(
        encoding, encoding.replace('16', '8'))
    np.testing.assert_array_equal(image_to_rgb(message), by_hand(like, small))


@pytest.mark.parametrize('encoding', BAYER)
def test_a_bayer_pattern_gives_the_colour_that_it_was_filmed_in(encoding: str) -> None:
    pattern, bits = BAYER[encoding]
    colour = {'r': 200, 'g': 90, 'b': 30}
    cell = np.array([colour[name] for name in pattern]).reshape(2, 2)
    mosaic = np.tile(cell, (4, 5)).astype(np.uint8)
    if bits == 16:
        mosaic = (mosaic.astype('<u2') * 257).view(np.uint8)
    found = image_to_rgb(image(encoding, mosaic.reshape(8, 10, -1)))
    assert found.shape == (8, 10, 3)
    np.testing.assert_array_equal(found[2:-2, 2:-2], np.broadcast_to([200, 90, 30], (4, 6, 3)))


# Rows and columns of pixels that share a colour, whether V comes before U, and planes apart.
CHROMA = {'nv12': (2, 2, False, False), 'nv21': (2, 2, True, False), 'nv16': (1, 2, False, False),
          'nv61': (1, 2, True, False), 'nv24': (1, 1, False, False), 'nv42': (1, 1, True, False),
          'i420': (2, 2, False, True), 'yuv420': (2, 2, False, True),
          'yuv420p': (2, 2, False, True), 'yv12': (2, 2, True, True)}


@pytest.mark.parametrize('encoding', CHROMA)
def test_planes_of_brightness_and_colour_become_rgb(encoding: str) -> None:
    down, across, swapped, apart = CHROMA[encoding]
    rng = np.random.default_rng(2)
    luma = rng.integers(16, 236, (HEIGHT, WIDTH), np.uint8)
    blocks = rng.integers(60, 200, (HEIGHT // 2, WIDTH // 2, 2), np.uint8)  # U and V of 2x2 pixels
    colours = np.kron(blocks.transpose(2, 0, 1), np.ones((2 // down, 2 // across), np.uint8))
    stored = colours[::-1] if swapped else colours
    tail = stored if apart else stored.transpose(1, 2, 0)
    data = luma.tobytes() + np.ascontiguousarray(tail, np.uint8).tobytes()
    message = SimpleNamespace(height=HEIGHT, width=WIDTH, encoding=encoding, step=WIDTH,
                              is_bigendian=0, data=data)
    expected = [[np.clip(np.rint(from_yuv(int(luma[y, x]), *map(int, blocks[y // 2, x // 2]))),
                         0, 255) for x in range(WIDTH)] for y in range(HEIGHT)]
    np.testing.assert_allclose(image_to_rgb(message).astype(int), expected, atol=2)
    for kept in (len(data) - 1, HEIGHT * WIDTH):
        with pytest.raises(InvalidInput, match='truncated'):
            image_to_rgb(SimpleNamespace(**{**vars(message), 'data': data[:kept]}))
    with pytest.raises(InvalidInput, match='expected even numbers'):
        image_to_rgb(SimpleNamespace(**{**vars(message), 'height': HEIGHT - 1}))


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono8', 'rgba8', 'bgra8'])
def test_cv_bridge_agrees(encoding: str) -> None:
    messages = pytest.importorskip('sensor_msgs.msg', reason='needs ROS 2')
    cv_bridge = pytest.importorskip('cv_bridge', reason='needs ROS 2')
    source = image(encoding, random_pixels(encoding))  # PyPI's cv_bridge reads no padding
    message = messages.Image(height=source.height, width=source.width, encoding=encoding,
                             step=source.step, data=array('B', source.data))
    expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')
    np.testing.assert_array_equal(image_to_rgb(message), expected)


# ------------------------------------------------------------------------------- compressed


def compressed(kind: str, data: bytes) -> SimpleNamespace:
    return SimpleNamespace(format=kind, data=data)


def encoded(kind: str) -> tuple[UInt8, bytes]:
    """Return a smooth RGB image and it in a file format."""
    ramp = np.mgrid[0:64, 0:96].astype(np.uint8)
    rgb = np.stack([ramp[0] * 3, ramp[1] * 2, 255 - ramp[1] * 2], axis=2)
    done, data = cv2.imencode(f'.{kind}', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert done
    return rgb, data.tobytes()


@pytest.mark.parametrize(('kind', 'error'), [('jpg', 6), ('png', 0)])
def test_a_compressed_image_becomes_rgb(kind: str, error: int) -> None:
    rgb, data = encoded(kind)
    for holder in (data, array('B', data), np.frombuffer(data, np.uint8)):
        found = compressed_to_rgb(compressed(kind, holder))  # type: ignore[arg-type]
        assert found.shape == rgb.shape and found.dtype == np.uint8
        assert np.abs(found.astype(int) - rgb).mean() <= error


def test_a_grey_compressed_image_becomes_rgb() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    data = cv2.imencode('.png', grey)[1].tobytes()
    np.testing.assert_array_equal(compressed_to_rgb(compressed('png', data)),
                                  np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize('kind', ['jpg', 'png'])
@pytest.mark.parametrize('kept', [0.0, 0.01, 0.1, 0.5, 0.9])
def test_a_truncated_compressed_image_is_refused(kind: str, kept: float) -> None:
    data = encoded(kind)[1]
    with pytest.raises(InvalidInput, match='cannot be decoded; expected a whole JPEG or PNG'):
        compressed_to_rgb(compressed(kind, data[:int(kept * len(data))]))


def png_that_claims(width: int, height: int) -> bytes:
    def block(name: bytes, content: bytes) -> bytes:
        return (struct.pack('>I', len(content)) + name + content
                + struct.pack('>I', zlib.crc32(name + content)))

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + block(b'IHDR', header)
            + block(b'IDAT', zlib.compress(bytes(100))) + block(b'IEND', b''))


@pytest.mark.parametrize('data', [
    b'garbage', bytes(1000), b'\xff\xd8\xff\xe0' + bytes(100), b'GIF89a', b'hello\n' * 50,
    np.random.default_rng(0).bytes(5000)])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=f'{len(data)} bytes of format'):
        compressed_to_rgb(compressed('jpeg', data))


@pytest.mark.parametrize(('width', 'height'), [
    (100_000, 100_000), (16_000, 16_000), (9_000, 8_000)])
def test_a_size_beyond_the_limit_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    assert width * height > MAX_PIXELS
    with pytest.raises(InvalidInput, match='64 million pixels; scale it down'):
        compressed_to_rgb(compressed('png', png_that_claims(width, height)))


@pytest.mark.parametrize('orientation', [3, 6, 8])
def test_a_compressed_image_is_turned_as_its_exif_says(orientation: int) -> None:
    rgb, _ = encoded('jpg')
    picture, file = Image.fromarray(rgb), BytesIO()
    exif = picture.getexif()
    exif[0x112] = orientation
    picture.save(file, 'JPEG', exif=exif, quality=95)
    expected = np.rot90(rgb, {3: 2, 6: 3, 8: 1}[orientation])
    found = compressed_to_rgb(compressed('jpeg', file.getvalue()))
    assert found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 6


def test_video_in_a_compressed_image_is_named() -> None:
    with pytest.raises(InvalidInput, match="format 'h264'.*it is video.*republish"):
        compressed_to_rgb(compressed('h264', bytes([0, 0, 0, 1, 0x67]) + bytes(50)))


# ------------------------------------------------------------------------------- audio


def chunk(samples: Any, channels: int = 1, rate: int = 16_000) -> SimpleNamespace:
    return SimpleNamespace(samples=samples, channels=channels, sample_rate=rate)


def test_a_chunk_becomes_a_block_with_its_channels_apart() -> None:
    interleaved = np.arange(12, dtype=np.int16)
    for samples in (interleaved, array('h', interleaved.tolist())):
        block = chunk_to_block(chunk(samples, 3, 48_000), 7.5)
        assert (block.stamp, block.sample_rate) == (7.5, 48_000)
        assert block.samples.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_an_empty_chunk_is_an_empty_block() -> None:
    for samples in (np.zeros(0, np.int16), array('h')):
        assert chunk_to_block(chunk(samples, 2), 1.0).samples.shape == (0, 2)


@pytest.mark.parametrize(('channels', 'count'), [(0, 4), (3, 4), (5, 4)])
def test_channels_that_do_not_divide_the_samples_are_refused(channels: int, count: int) -> None:
    with pytest.raises(InvalidInput, match='interleaved channels of equal length'):
        chunk_to_block(chunk(np.zeros(count, np.int16), channels), 1.0)


def test_a_rate_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidInput, match='sample rate 0 Hz'):
        chunk_to_block(chunk(np.zeros(4, np.int16), rate=0), 1.0)
