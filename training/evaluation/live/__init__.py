"""What a bundle loses on the live path: replays beside the offline answers."""
