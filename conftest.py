"""Which files pytest leaves out."""

from importlib.util import find_spec

# Qulacs is not there for every Python, so its examples cannot run on every one
collect_ignore = [] if find_spec("qulacs") else ["fedqml/quantum/devices/qulacs.py"]
