"""One photographed face that speaks and changes its expression, by smooth local warps."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from tools.sample.expression import Pose

Map = NDArray[np.float32]  # (H, W) one coordinate of every pixel of a frame

# Measured on skimage.data.astronaut() with facenet_pytorch's MTCNN (eyes, corners of the mouth)
# and by eye (brows, lips, lids), in pixels of the photograph. Kept here so that a frame does not
# depend on the detector that it is meant to try.
ORIGIN = (225.2, 102.2)  # between the eyes
TILT = np.deg2rad(2.6)  # of the line through the eyes
EYE_X = (-22.3, 22.3)  # from here on: relative to ORIGIN, along and across that line
LID_UP, LID_LOW = -4.5, 2.5
BROW_INNER_X, BROW_OUTER_X, BROW_Y = 12., 29., -11.
MOUTH_X, MOUTH_Y, MOUTH_HALF = .3, 38.6, 19.5  # centre between the lips' corners, half its width
LIPS_Y = 2.2  # the middle of the upper lip's lower edge, below MOUTH_Y
TEETH = 6.5  # height of what is seen between the lips in the photograph
JAW_REACH = 46.  # below the lips: here the movement of the jaw has died away
_DARK = np.array([46, 14, 16], np.float32)  # RGB inside the mouth


def _bump(x: Map, y: Map, centre: tuple[float, float], sigma: tuple[float, float]) -> Map:
    """Weight 1 at a centre that falls off as a Gaussian."""
    return np.exp(-.5 * (((x - centre[0]) / sigma[0]) ** 2 + ((y - centre[1]) / sigma[1]) ** 2))


def _displace(x: Map, y: Map, pose: Pose) -> tuple[Map, Map]:
    """Move brows, corners of the mouth and nose: for each pixel, where it came from."""
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for side in (-1, 1):
        corner = _bump(x, y, (MOUTH_X + side * (MOUTH_HALF - 2), MOUTH_Y + 1), (9, 10))
        dx -= side * corner * pose.narrow
        dy += corner * 4.5 * (1 - pose.smile)
        brow = _bump(x, y, (side * (BROW_INNER_X + BROW_OUTER_X) / 2, BROW_Y), (9, 5))
        inner = _bump(x, y, (side * BROW_INNER_X, BROW_Y), (6, 5.5))
        dx -= side * inner * pose.frown
        dy -= brow * pose.brow + inner * pose.brow_inner
        dy -= _bump(x, y, (side * 9, 29), (7, 7)) * pose.sneer
        dx -= side * _bump(x, y, (side * 5, 0), (5, 6)) * pose.sneer * .3
    return x - dx, y - dy


def _open_eyes(x: Map, y: Map, opening: float) -> Map:
    """Raise or lower the upper lids: the y that each pixel came from."""
    lid, reach = LID_LOW - LID_UP, 13.
    moved = min(max(opening, .12), 1.6) * lid
    above = LID_LOW - y
    # Between the lids the eye is squeezed a little and the lid covers the rest of it.
    source = np.interp(above, [0, moved, reach], [0, lid, reach]).astype(np.float32)
    weight = np.zeros_like(x)
    for eye_x in EYE_X:
        weight += np.exp(-np.abs((x - eye_x) / 10.5) ** 4)
    return np.where((above > 0) & (above < reach), y + (above - source) * weight, y)


def _open_mouth(x: Map, y: Map, gap: float) -> tuple[Map, Map]:
    """
    Part the lips: what lies below the upper lip moves with the jaw, over the teeth.

    :param gap: distance between the lips in the middle, pixels of the photograph.
    :returns: the y that each pixel came from, and in [0, 1] how much it shows of the inside.
    """
    across = np.clip(1 - ((x - MOUTH_X) / MOUTH_HALF) ** 2, 0, 1)
    below = y - (MOUTH_Y + LIPS_Y * across)
    shown, wanted = TEETH * across, max(gap, 0.) * across ** .8
    lower = below - wanted
    scale = (JAW_REACH - shown) / np.maximum(JAW_REACH - wanted, 1)
    from_jaw = shown + lower * scale
    source = np.where(lower > 0, from_jaw, np.minimum(below, shown))
    source = np.where((below > 0) & (below < JAW_REACH), source, below)
    inside = np.clip((below - .85 * shown) / 1.5, 0, 1) * np.clip(-lower / 1.2, 0, 1)
    inside *= wanted > .8 * shown
    return (y - below + source).astype(np.float32), inside.astype(np.float32)


def draw_face(photo: NDArray[np.uint8], map_x: Map, map_y: Map, pose: Pose) -> NDArray[np.uint8]:
    """
    Look at a photograph through maps, with another expression on its face.

    :param photo: (Hp, Wp, 3) RGB.
    :param map_x: (H, W) column of the photograph that each pixel of the frame would show.
    :param map_y: (H, W) its row.
    :returns: (H, W, 3) RGB.
    """
    cos, sin = np.float32(np.cos(TILT)), np.float32(np.sin(TILT))
    x, y = map_x - np.float32(ORIGIN[0]), map_y - np.float32(ORIGIN[1])
    x, y = cos * x + sin * y, cos * y - sin * x
    x, y = _displace(x, y, pose)
    y = _open_eyes(x, y, pose.eyes)
    y, inside = _open_mouth(x, y, pose.gap)
    x, y = cos * x - sin * y, cos * y + sin * x
    frame = cv2.remap(photo, (x + ORIGIN[0]).astype(np.float32),
                      (y + ORIGIN[1]).astype(np.float32), cv2.INTER_CUBIC,
                      borderMode=cv2.BORDER_REFLECT_101)
    mixed = frame + inside[..., None] * (_DARK - frame)
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)
