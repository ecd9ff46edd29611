"""Stage `train audio`: WaveRNN on acted speech, and what teaches it."""
