"""`python -m wherry` is the command `wherry`."""

import sys

from wherry.main import main

sys.exit(main())
