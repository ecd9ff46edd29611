"""MELD's tables and clips, and clips in its shape as recordings of whole dialogues."""
