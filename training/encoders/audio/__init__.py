"""Stage `train audio`: WaveRNN, Whisper as its teacher, ensembles."""
