"""Training of the unimodal encoders."""
