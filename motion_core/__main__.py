"""`python -m motion_core`: the whole method from the command line."""

import sys

from .commands.main import main

sys.exit(main())
