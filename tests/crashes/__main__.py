"""Kills and freezes a whole gateway, round after round, and compares what it told with what happened.

    python -m tests.crashes --rounds 1000 [--seed N] [--minutes M] [--record FILE] [--installed]

Exit status 1 if a promise was broken: then the state folder is kept, and the report says which order, what its client
was told, and what the terminal's books hold. A round's plan follows from the seed; the processes' timing doesn't, so a
seed brings back the same plan and not the same instant.
"""

import sys

from tests.crashes.campaign import main

sys.exit(main())
