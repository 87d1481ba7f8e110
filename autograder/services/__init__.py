"""Real servers, for the tests marked `live`."""
