"""
Published corpora, read from the folders as people have them.

A preset yields a `Row` for each utterance in the corpus' own words; `assemble` maps its labels to
MELD's seven emotions, turns votes into soft labels, and splits by speaker. `registry.PRESETS`
lists them; `python -m training convert --corpus NAME DIR FILE.jsonl` writes one as a manifest.
"""
