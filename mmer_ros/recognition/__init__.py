"""From a bundle and utterances, whole or part by part, to emotion estimates."""
