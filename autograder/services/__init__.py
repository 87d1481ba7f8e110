"""Real servers, for the tests marked `live` and for programs that people start.

>>> from autograder import services
>>> with services.require("redis") as redis:    # doctest: +SKIP
...     print(redis.address)
"""

from .model import NotHere, Service, ServiceError, Unusable
from .requiring import require

__all__ = ["NotHere", "Service", "ServiceError", "Unusable", "require"]
