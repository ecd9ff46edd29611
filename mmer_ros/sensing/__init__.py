"""From raw camera, microphone and words to parts of utterances; what runs on the robot."""
