"""Training of the encoders of text, audio and faces."""
