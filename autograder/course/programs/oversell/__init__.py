"""The shop of the exercise oversell_hunt: as it was that night, and built in other ways."""
