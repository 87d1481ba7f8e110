"""Programs a person runs: `course run NAME`."""
