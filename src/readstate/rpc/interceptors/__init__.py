"""What happens around every call, one concern in each file. `server/app.py` lists them in order.

Each is a function `(call_next, request, call)`. `request` is still bytes here: nobody who is not authenticated reaches
the parser.
"""

from readstate.rpc.interceptors.access_log import access_log
from readstate.rpc.interceptors.authenticate import authenticate
from readstate.rpc.interceptors.authorize import authorize
from readstate.rpc.interceptors.bounded_time import bounded_time
from readstate.rpc.interceptors.limiter import Limiter
from readstate.rpc.interceptors.report_errors import report_errors
from readstate.rpc.interceptors.share import Share
from readstate.rpc.interceptors.tracing import traced

__all__ = ["Limiter", "Share", "access_log", "authenticate", "authorize", "bounded_time", "report_errors", "traced"]
