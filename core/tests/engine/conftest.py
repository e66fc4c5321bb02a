import sys
from pathlib import Path

# So that tests, and the processes they start, can import the fakes beside them.
sys.path.insert(0, str(Path(__file__).parent))
