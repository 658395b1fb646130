"""How presentations went: numbers, no faces, no names."""
