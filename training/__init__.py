"""The recipe that made `models/`: not imported by the daemon, not installed by the wheel."""
