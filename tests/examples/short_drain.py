"""A pytest plugin that shortens the wait for what is missing, which is 20 s, in an example's own process.

What the planted bug holds back never comes, so that nothing is gained by waiting for it.
"""

from functools import partial

import chaosp7.run.rest
from chaosp7.recorder.drain import DrainTimes

chaosp7.run.rest.DrainTimes = partial(DrainTimes, incomplete_s=5.0)  # type: ignore[misc,assignment]
