"""``python -m taskworker``"""

import sys

from taskworker.stopping import Stopping

stopping = Stopping()

from taskworker import run, setup  # noqa: E402

sys.exit(run.run(setup.from_environment(), stopping))
