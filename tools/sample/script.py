"""The dialogue of the sample recording: who says what, in which emotion and prosody."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """
    One turn of the dialogue as it is written, before it has a place in time.

    :param speaker: name of the speaker; the woman on camera is 'anna'.
    :param emotion: one of MELD's seven labels.
    :param text: the words as a recogniser would write them.
    :param f0: mean pitch in Hz (the voice `rms` ignores it).
    :param f0_spread: standard deviation of the pitch in Hz.
    :param stretch: duration relative to the voice's own pace; above 1 is slower.
    :param peak: peak level in [0, 1] of full scale.
    :param face_visible: False if the camera looks away during the turn.
    :param has_transcript: False if no transcript is published for the turn.
    """

    speaker: str
    emotion: str
    text: str
    f0: float
    f0_spread: float
    stretch: float
    peak: float
    face_visible: bool = True
    has_transcript: bool = True


@dataclass(frozen=True)
class Utterance:
    """
    A line with its place in time.

    :param line: what is said and how.
    :param start: first audible sample, seconds since the start of the recording.
    :param end: end of speech, seconds since the start of the recording.
    """

    line: Line
    start: float
    end: float


VOICES = {'anna': 'slt', 'tom': 'rms'}  # speaker -> flite voice

DIALOGUE = (
    Line('anna', 'neutral', 'The office called me at nine this morning.', 172, 10, 1.0, .45),
    Line('anna', 'joy', 'I got the job and I am so happy about it!', 235, 45, .92, .75),
    Line('anna', 'surprise', 'I did not expect them to call back at all!', 275, 60, .95, .75),
    Line('anna', 'neutral', 'Then I told my boss that I am leaving in May.', 170, 10, 1.0, .45),
    Line('tom', 'neutral', 'And what did your old boss say about it?', 105, 10, .95, .5,
         face_visible=False),
    Line('anna', 'anger', 'He yelled at me and tore my letter to pieces!', 205, 40, .86, .97),
    Line('anna', 'disgust', 'And his filthy office stinks of rotten fish.', 150, 22, 1.15, .5),
    Line('anna', 'sadness', 'I will miss all of my friends there so much.', 138, 5, 1.35, .3),
    Line('anna', 'fear', 'What was that, I think somebody is in the house!', 262, 28, .84, .6,
         face_visible=False),
    Line('anna', 'surprise', 'Oh my goodness, it is only the cat!', 270, 60, 1.0, .7,
         has_transcript=False),
    Line('anna', 'joy', 'Come over here, you wonderful silly little cat!', 230, 45, .95, .7),
)
