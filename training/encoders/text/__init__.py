"""The text stage: dialogues, teacher, GPT with its heads, baseline."""
