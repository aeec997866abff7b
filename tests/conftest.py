import os

from hypothesis import settings

# A shared machine can stall any example for longer than a deadline. Continuous integration
# draws the same examples every time, so that it fails for the change at hand or not at all.
settings.register_profile("fedqml", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("fedqml")
