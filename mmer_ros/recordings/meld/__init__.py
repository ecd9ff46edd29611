"""MELD's clips, or those of a corpus in its shape, as recordings of whole dialogues."""

from mmer_ros.recordings.meld.corpus import MeldClip, MeldDialogue, read_dialogues
from mmer_ros.recordings.meld.dialogue import clip_names, Written
from mmer_ros.recordings.meld.jobs import write_dialogues
from mmer_ros.recordings.meld.settings import BagSettings

__all__ = ['BagSettings', 'clip_names', 'MeldClip', 'MeldDialogue', 'read_dialogues',
           'write_dialogues', 'Written']
