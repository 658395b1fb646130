"""edged: a face-recognition door and attendance terminal that knows when it cannot know."""

__version__ = "0.1.0"
