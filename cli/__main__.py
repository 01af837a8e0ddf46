"""`python -m pliant.cli`: the terminal where its script is not on the path."""

from __future__ import annotations

import sys

from . import main

sys.exit(main())
