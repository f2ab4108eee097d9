"""How all tests run.

Properties are tried on the same examples each time, so that a change is judged by what it changed. To look for new
ones: HYPOTHESIS_PROFILE=search make unit
"""

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
