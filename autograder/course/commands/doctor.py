"""`course doctor`: what is here, and how to get the rest."""

from autograder.course import screen
from autograder.course.doctor.finding import Finding
from autograder.course.doctor.machine import check_machine
from autograder.course.doctor.packages import check_packages
from autograder.course.doctor.servers import check_servers
from autograder.course.root import find_root
from autograder.course.syllabus import read_syllabus


def examine() -> bool:
    """Print the report; return whether all that the course cannot do without is here."""
    root = find_root()
    modules = read_syllabus(root).modules
    packages = check_packages()
    required = [*_group("This machine", check_machine(root)), *_group("Packages", packages[""])]
    for extra, findings in packages.items():
        if extra:
            _group(f'Extra "{extra}", optional', findings)
    state = root / ".course" / "services"
    servers = check_servers({int(module.number) for module in modules}, state)
    if servers:
        _group("Servers for live runs, optional", servers)
    else:
        screen.say("Servers", "bold")
        screen.say("  The modules that are here need none.")
        screen.say()
    if any(finding.state == "missing" for finding in required):
        screen.say("Something that the course needs is missing: see above.", "bold red")
        return False
    screen.say("All that the course needs is here.", "bold")
    return True


def _group(title: str, findings: list[Finding]) -> list[Finding]:
    screen.say(title, "bold")
    for finding in findings:
        sign = screen.symbol({"ok": "yes", "missing": "no", "absent": "open"}[finding.state])
        style = {"ok": None, "missing": "red", "absent": "dim"}[finding.state]
        screen.say(f"  {sign} {finding.name:<16} {finding.detail}", style)
    for remedy in dict.fromkeys(finding.remedy for finding in findings if finding.remedy):
        screen.say(f"      {screen.symbol('arrow')} {remedy}")
    screen.say()
    return findings
