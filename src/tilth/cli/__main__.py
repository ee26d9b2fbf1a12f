"""python -m tilth.cli"""

import sys

from tilth.cli import main

sys.exit(main())
