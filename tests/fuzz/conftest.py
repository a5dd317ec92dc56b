"""Its own helpers are found as those of tests/ are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
