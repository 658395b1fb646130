"""The installer's page: aim, focus, light, and why the last presentations ended as they did."""
