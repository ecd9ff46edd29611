# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""Who is who: tracked faces become persons, who keep their ids when they leave and return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mmer_ros.sensing.face_identity import DLIB_NAME, FaceDescriptor, Limits, make_descriptor
from mmer_ros.sensing.face_patch import look_of
from mmer_ros.sensing.outfit import likeness, outfit_of
from mmer_ros.types import FaceCrop, Float32, VideoFrame
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

MOST_PERSONS = 64  # of the gallery; of more, who was not seen for longest is forgotten
EXEMPLARS = 12  # views of a person that are kept
DECIDE_AFTER = 3  # views of a face before it is said whose it is
LATEST = 6  # views of a track that are kept
DOUBT_UNTIL = 12  # views of a face within which a new person may turn out to be a known one
PER_IMAGE = 4  # faces that are described in one image at most; the others in the next ones
NEW_VIEW = 0.4  # of Limits.alike: a view that differs by more from those of the person is kept
CHANGED = 0.1  # difference in looks from image to image from which a face is described at once
TURNED = 0.3  # how far the nose is off the middle, in distances between the eyes
LEAST_EYES = 12.0  # pixels between the eyes; smaller faces show too little
CUT = 0.3  # likeness of the outfits in two images below which it was cut between them
STRIKES = 2  # views that do not fit the person, one after the other, until a face is another's
WAIT_S = 2.0  # a face that never looks this way is described as it is after this time


class PersonsConfig(BaseModel):
    """Settings of the recognition of persons."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    enabled: bool = Field(True, description=(
        'A person keeps one person_id while the node runs: through occlusion, turning away and '
        'leaving. Descriptions of faces are kept in memory only, until ~/reset_history or a jump '
        'of time.'))
    descriptor: str = Field(DLIB_NAME, description=(
        'The registered name of the descriptor that compares faces.'))
    refresh_s: float = Field(1.0, ge=0, le=60, description=(
        'A known face is described again after this many seconds.'))


@dataclass
class Person:
    """
    Somebody in the gallery.

    :param views: descriptions of the face, those that differ.
    :param outfit: as outfit.outfit_of, the latest.
    :param seen: capture time, seconds.
    """

    person_id: str
    views: list[Float32] = field(default_factory=list)
    outfit: Float32 | None = None
    seen: float = 0.0

    def distance(self, view: Float32) -> float:
        """Return how far a description is from the nearest view."""
        return float(np.linalg.norm(np.stack(self.views) - view, axis=1).min())


@dataclass
class _Track:
    """
    A tracked face.

    :param views: the latest descriptions, before it is decided all of them.
    :param count: of the descriptions so far.
    :param born: it brought its person into the gallery.
    :param changed: it looks different than in the image before.
    :param strikes: latest descriptions in a row that do not fit the person.
    """

    face_id: str
    began: float
    seen: float
    person: Person | None = None
    views: list[Float32] = field(default_factory=list)
    outfits: list[Float32] = field(default_factory=list)
    count: int = 0
    born: bool = False
    described: float = -1e9
    look: Float32 | None = None
    changed: bool = False
    strikes: list[Float32] = field(default_factory=list)

    @property
    def person_id(self) -> str:
        """Whose face it is; '' as long as that is not known, or in doubt."""
        return self.person.person_id if self.person is not None and not self.strikes else ''

    @property
    def outfit(self) -> Float32:
        """The usual one of the latest; what shows in none of them is nan."""
        zones = np.stack(self.outfits[-DECIDE_AFTER:]).transpose(1, 0, 2)  # (2, views, 3)
        shown = [zone[np.isfinite(zone).all(axis=1)] for zone in zones]
        return np.stack([np.median(zone, axis=0) if len(zone) else np.full(3, np.nan)
                         for zone in shown]).astype(np.float32)


class Persons:
    """
    Recognise the persons behind tracked faces; two faces of one image are two persons.

    Faces are compared by their descriptions; what the person wears decides where faces are
    similar. Whoever was never seen is a new person. Capture times alone decide.

    :param rename: gives a tracked face another id, as FaceTracker.rename; called where a face
        turns out to be another person's, as after a cut.
    """

    def __init__(self, config: PersonsConfig, rename: Callable[[str], str]) -> None:
        """Start with an empty gallery."""
        self._config = config
        self._rename = rename
        self._descriptor: FaceDescriptor | None = (
            make_descriptor(config.descriptor) if config.enabled else None)
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Forget everybody; ids already given are not given again."""
        self.gallery: list[Person] = []
        self.lose_tracks()

    def lose_tracks(self) -> None:
        """Forget the tracked faces; the gallery stays."""
        self._tracks: dict[str, _Track] = {}

    def push(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> list[FaceCrop]:
        """
        Return the faces of an image with the ids of their persons, as far as they are known.

        A face that is not the one before gets a new face_id.
        """
        if self._descriptor is None:
            return list(crops)
        tracks = [self._track(crop) for crop in crops]
        chosen = self._choose(frame.stamp, crops, tracks)
        points = [p for i in chosen if (p := crops[i].landmarks) is not None]
        views = self._descriptor.describe(frame.image, points)
        for i, view in zip(chosen, views, strict=True):
            if np.isfinite(view).all():
                tracks[i] = self._take(frame, crops[i], tracks[i], view)
        self._part_twins(tracks)
        self._decide(tracks)
        for track in tracks:
            if track.person is not None:
                track.person.seen = frame.stamp
        self._forget(frame.stamp)
        return [replace(crop, face_id=track.face_id, person_id=track.person_id)
                for crop, track in zip(crops, tracks)]

    # ------------------------------------------------------------------ tracks

    def _track(self, crop: FaceCrop) -> _Track:
        track = self._tracks.setdefault(crop.face_id, _Track(crop.face_id, crop.stamp, crop.stamp))
        track.seen = crop.stamp
        return track

    def _choose(self, stamp: float, crops: Sequence[FaceCrop], tracks: Sequence[_Track]
                ) -> list[int]:
        """Return which faces to describe: the new and the changed first, then the oldest."""
        due = []
        for i, (crop, track) in enumerate(zip(crops, tracks)):
            look = None if crop.patch is None else look_of(crop.patch)
            track.changed = (look is not None and track.look is not None
                             and 1.0 - float(look @ track.look) > CHANGED)
            track.look = look
            waits = track.person is None or track.changed or bool(track.strikes)
            if not waits and stamp - track.described < self._config.refresh_s - 1e-6:
                continue
            if crop.landmarks is not None and (_is_clear(crop.landmarks) or (
                    track.person is None and stamp - track.began >= WAIT_S)):
                due.append((not waits, track.described, i))
        return sorted(i for *_, i in sorted(due)[:PER_IMAGE])

    def _take(self, frame: VideoFrame, crop: FaceCrop, track: _Track, view: Float32) -> _Track:
        """Add a description to a track; return the track, another one after a cut."""
        assert crop.landmarks is not None
        track.described = frame.stamp
        outfit = outfit_of(frame.image, crop.landmarks)
        dressed = likeness(track.outfits[-1], outfit) if track.outfits else 1.0
        cut = track.changed and dressed < CUT  # clothes do not change between two images
        person = track.person
        if cut or person is not None and person.distance(view) > self._limit(person, outfit):
            track.strikes.append(view)
            if len(track.strikes) < STRIKES and not track.changed:
                return track
            return self._split(track, crop, outfit)
        track.strikes.clear()
        track.views = [*track.views, view][-LATEST:]
        track.outfits = [*track.outfits, outfit][-LATEST:]
        track.count += 1
        if person is not None:
            self._mend(track, person)
            self._remember(track.person or person, view, outfit)
        return track

    def _split(self, track: _Track, crop: FaceCrop, outfit: Float32) -> _Track:
        """Begin a new track with the views that do not fit the old one."""
        face_id = self._rename(track.face_id)
        del self._tracks[track.face_id]
        begun = _Track(face_id, crop.stamp, crop.stamp, views=list(track.strikes),
                       outfits=[outfit], count=len(track.strikes), described=crop.stamp,
                       look=track.look)
        self._tracks[face_id] = begun
        return begun

    # ------------------------------------------------------------------ decisions

    def _part_twins(self, tracks: Sequence[_Track]) -> None:
        """Where two faces of an image have one person, take it from the one that fits less."""
        by_person: dict[str, list[_Track]] = {}
        for track in tracks:
            if track.person is not None:
                by_person.setdefault(track.person.person_id, []).append(track)
        for twins in by_person.values():
            twins.sort(key=lambda t: t.person.distance(t.views[-1]) if t.person else 0.0)
            for track in twins[1:]:
                track.person, track.count = None, 0
                track.views, track.outfits = track.views[-1:], track.outfits[-1:]

    def _decide(self, tracks: Sequence[_Track]) -> None:
        """Assign persons to the faces that were described often enough."""
        here = {track.person.person_id for track in tracks if track.person is not None}
        open_tracks = [track for track in tracks
                       if track.person is None and len(track.views) >= DECIDE_AFTER]
        while open_tracks:
            found = [(rank, i, person) for i, track in enumerate(open_tracks)
                     for rank, person in self._matches(track, here)]
            if found:
                _, i, person = min(found, key=lambda match: match[:2])
                track = open_tracks.pop(i)
            else:
                track, person = open_tracks.pop(0), self._new_person()
            track.person, track.born = person, not person.views
            here.add(person.person_id)
            for view in track.views:
                self._remember(person, view, track.outfit)

    def _matches(self, track: _Track, taken: set[str]) -> list[tuple[float, Person]]:
        """Return the persons whose face it may be, by distance as a share of the limit."""
        found = []
        for person in self.gallery:
            if person.person_id not in taken:
                distance = float(np.mean([person.distance(view) for view in track.views]))
                limit = self._limit(person, track.outfit)
                if distance <= limit:
                    found.append((distance / limit, person))
        return found

    def _mend(self, track: _Track, person: Person) -> None:
        """Let a person who was taken for new be a known one whom later views show."""
        if not track.born or track.count > DOUBT_UNTIL:
            return
        here = {t.person.person_id for t in self._tracks.values()
                if t.person is not None and t.seen == track.seen}
        matches = self._matches(track, here)
        if matches:
            _, known = min(matches, key=lambda match: match[0])
            self.gallery.remove(person)
            track.person, track.born = known, False

    def _limit(self, person: Person, outfit: Float32) -> float:
        """Return the distance up to which a face may be the person's, by what is worn."""
        assert self._descriptor is not None
        limits: Limits = self._descriptor.limits
        share = 1.0 if person.outfit is None else likeness(person.outfit, outfit)
        return limits.alike + share * (limits.same - limits.alike)

    # ------------------------------------------------------------------ gallery

    def _new_person(self) -> Person:
        self._count += 1
        person = Person(f'person{self._count}')
        self.gallery.append(person)
        return person

    def _remember(self, person: Person, view: Float32, outfit: Float32) -> None:
        """Keep a view that differs from the others, and what the person wears."""
        assert self._descriptor is not None
        if not person.views or person.distance(view) > NEW_VIEW * self._descriptor.limits.alike:
            person.views.append(view)
            if len(person.views) > EXEMPLARS:
                del person.views[_redundant(person.views)]
        if person.outfit is None:
            person.outfit = outfit
        else:  # what does not show now is as it was
            person.outfit = np.where(np.isfinite(outfit), outfit, person.outfit)

    def _forget(self, stamp: float) -> None:
        """Forget faces that are gone, and the persons beyond the bound."""
        self._tracks = {name: track for name, track in self._tracks.items()
                        if abs(stamp - track.seen) <= 60.0}
        while len(self.gallery) > MOST_PERSONS:
            self.gallery.remove(min(self.gallery, key=lambda person: person.seen))


def _is_clear(landmarks: NDArray[np.floating]) -> bool:
    """Return whether a face is large enough and turned this way, by its landmarks."""
    left, right, nose = (np.asarray(landmarks[i], np.float64) for i in range(3))
    across = right - left
    eyes = float(np.linalg.norm(across))
    if eyes < LEAST_EYES:
        return False
    return abs(float((nose - (left + right) / 2) @ across)) / eyes ** 2 <= TURNED


def _redundant(views: Sequence[Float32]) -> int:
    """Return the index of the view that is nearest to another one."""
    stacked = np.stack(views)
    distances = np.linalg.norm(stacked[:, None] - stacked[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return int(distances.min(axis=1)[:-1].argmin())
