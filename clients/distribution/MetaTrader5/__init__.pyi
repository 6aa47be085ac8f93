from clients.metatrader5 import *  # noqa: F403 - all of it, under another name
from clients.metatrader5 import __author__ as __author__
from clients.metatrader5 import __version__ as __version__
