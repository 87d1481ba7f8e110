"""The packages that the course declares: which are here, in which version."""

import re
from importlib.metadata import PackageNotFoundError, requires, version

from autograder.course.doctor.finding import Finding

DISTRIBUTION = "callbacks-to-sagas"
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w.-]+)['\"]")


def declared() -> dict[str, list[str]]:
    """Return the requirements by extra, such as "aiohttp>=3.13,<4"; the base's are under "".

    They are those of the installed distribution; a copy that was never installed declares none.
    Left out are those for other systems and Pythons, and an extra that stands for other extras.
    """
    from packaging.requirements import Requirement

    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {"": []}
    for line in lines:
        named = _EXTRA.search(line)
        extra = named.group(1) if named else ""
        wanted = Requirement(line)
        if wanted.name != DISTRIBUTION and (
            wanted.marker is None or wanted.marker.evaluate({"extra": extra})
        ):
            found.setdefault(extra, []).append(line.partition(";")[0].strip())
    return found


def check_packages() -> dict[str, list[Finding]]:
    """Return a finding for each declared package, by extra; the base's are under ""."""
    groups = declared()
    if not groups:
        remedy = "python -m pip install --editable ."
        return {"": [Finding(DISTRIBUTION, "missing", "not installed", remedy)]}
    return {extra: [_check(line, extra) for line in lines] for extra, lines in groups.items()}


def _check(requirement: str, extra: str) -> Finding:
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    absent: Finding = Finding(
        wanted.name,
        "absent" if extra else "missing",
        "not installed",
        f'python -m pip install --editable ".[{extra}]"' if extra else "pip install --editable .",
    )
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return absent
    if not wanted.specifier.contains(found, prereleases=True):
        detail = f"{found}, but the course wants {wanted.specifier}"
        return Finding(wanted.name, absent.state, detail, f'python -m pip install "{requirement}"')
    return Finding(wanted.name, "ok", found)
