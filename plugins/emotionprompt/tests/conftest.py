"""The folder of these tests on the path, for the helper plugin."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
