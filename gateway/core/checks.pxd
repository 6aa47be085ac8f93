# Table of contents of checks.py: the same source, compiled. `Checks` itself stays a class of Python's: its checks are
# found by their names, and most of what they touch is typed elsewhere.

cdef int _ENTRY, _EXIT, _STOPS, _MODIFY, _CANCEL, _REDUCING
cdef long long _MINUTE_NS, _WEEK_MINUTES, _EPOCH_MINUTES, _NS_PER_MS
