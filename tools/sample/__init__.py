"""Parts of the maker of the sample recording: script, speech, face, camera, bag and checks."""
