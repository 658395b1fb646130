"""edged: a face-recognition door and attendance terminal that knows when it cannot know."""

import os

__version__ = "0.1.0"

# The gallery's search waits for memory, not for arithmetic; a second BLAS thread only spins
# against the inference runtime. Read when numpy is first imported, so it is set here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
