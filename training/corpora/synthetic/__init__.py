"""
Generator of a corpus in the shape of MELD: `python -m training synth FOLDER`.

`plan.py` decides who says what in which emotion and what each modality shows of it;
`language.py` writes the words, `prosody.py` and `voice.py` speak, `expression.py`, `people.py`,
`portrait.py`, `features.py` and `scene.py` draw, `clip.py` encodes, `corpus.py` lays out the
folder, `ceilings.py` computes what can be reached.
"""
