"""Working days out of punches. Pure: time comes in."""
