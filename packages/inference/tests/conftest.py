"""One BLAS thread: with more, the bits of a product depend on the time of day."""

import os

from hypothesis import settings

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

settings.register_profile("inference", max_examples=25, deadline=None, print_blob=True)
settings.load_profile("inference")
