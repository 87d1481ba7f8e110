"""Bring in a newer version of the course and leave every file that the learner changed as it is.

The rule is one: a file that you changed stays exactly as you left it, committed or not. If the
course changed it too, the course's version is laid beside it as `NAME.new`.

So that git agrees, the newer version becomes part of the history: a fast-forward if the learner has
no commits of their own, else a merge commit in which, file by file, that rule holds. No file is
merged line by line, so there are no conflict marks to clean up and no half-done merge to be in.
"""

from dataclasses import dataclass, field
from pathlib import Path

from autograder.course.backups import back_up
from autograder.course.git import GitFailed, blob, git, names, succeeds, text
from autograder.course.refusal import Refusal

Tree = dict[str, tuple[str, str]]  # path -> (mode, object id)
NEWEST = "refs/course/newest"  # where the last fetch found the course
IDENTITY = ("-c", "user.name=course update", "-c", "user.email=course@localhost")


@dataclass
class Update:
    """What an update did."""

    before: str  # the commit it began from
    after: str  # the commit it came to
    kept: list[str] = field(default_factory=list)  # changed on both sides: yours kept
    beside: list[str] = field(default_factory=list)  # the course's versions laid beside them
    gone: list[str] = field(default_factory=list)  # kept, though the course has them no longer
    backup: Path | None = None


def refuse_if_unsafe(root: Path) -> None:
    """Refuse in the middle of a merge or rebase, off any branch, or with changes half staged.

    Raises:
        Refusal: one of these; it says which.
    """
    if not succeeds(root, "symbolic-ref", "-q", "HEAD"):
        raise Refusal("You are not on a branch: git switch main, then course update again.")
    for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"):
        if (root / text(root, "rev-parse", "--git-path", name)).exists():
            raise Refusal("A merge or rebase is under way here: finish or abort it first.")
    half = set(names(root, "diff", "--cached", "--name-only", "-z"))
    half &= set(names(root, "diff", "--name-only", "-z"))
    if half:
        raise Refusal(
            f"{min(half)} is staged in one state and open in another: "
            "commit it or git restore --staged it first, so that neither state is lost."
        )


def choose_source(root: Path, given: str | None) -> str:
    """Return where newer versions come from: `given`, else "upstream", else "origin", else one.

    Raises:
        Refusal: the clone has no remote.
    """
    if given:
        return given
    remotes = text(root, "remote").split()
    for name in ("upstream", "origin", *remotes):
        if name in remotes:
            return name
    raise Refusal(
        "This clone has no remote to update from: course update --from URL, with the address "
        "that the course was cloned from."
    )


def fetch(root: Path, source: str) -> str:
    """Fetch the default branch of a remote or URL; return the commit it is at.

    Raises:
        Refusal: it cannot be reached.
    """
    wanted = [f"+HEAD:{NEWEST}"]
    if source in text(root, "remote").split():  # so that git status, too, knows what is newest
        wanted.append(f"+refs/heads/*:refs/remotes/{source}/*")
    try:
        git(root, "fetch", "--quiet", "--no-tags", source, *wanted)
        return text(root, "rev-parse", NEWEST)
    except GitFailed as error:
        raise Refusal(f"{source} could not be fetched. git says: {error}") from None


def update(root: Path, new: str) -> Update | None:
    """Bring in the commit `new`; return what was done, or None if it is here already.

    Raises:
        Refusal: git cannot do it; then everything is as it was before.
    """
    head = text(root, "rev-parse", "HEAD")
    if succeeds(root, "merge-base", "--is-ancestor", new, head):
        return None
    done = Update(head, new)
    if not succeeds(root, "merge-base", "--is-ancestor", head, new):
        done.after, done.kept = _merge_commit(root, _base(root, head, new), head, new)
    _move(root, done)
    _lay_beside(root, done, new)
    return done


def _base(root: Path, head: str, new: str) -> str:
    """The newest commit that both sides grew from.

    A repository made from a template shares no commit with the course: then it is its first one,
    which holds the course as it was.
    """
    try:
        return text(root, "merge-base", head, new)
    except GitFailed:
        return text(root, "rev-list", "--max-parents=0", head).splitlines()[-1]


def _merge_commit(root: Path, base: str, head: str, new: str) -> tuple[str, list[str]]:
    """Make the commit that joins both sides; return it and the files changed on both."""
    was, mine, theirs = (_tree(root, commit) for commit in (base, head, new))
    kept, merged = [], dict(mine)
    for path in sorted(was.keys() | theirs.keys()):
        if theirs.get(path) in (was.get(path), mine.get(path)):
            continue
        if mine.get(path) != was.get(path):
            kept.append(path)
        elif path in theirs:
            merged[path] = theirs[path]
        else:
            del merged[path]
    tree = _write_tree(root, merged)
    message = "Bring in the newer version of the course"
    parents = ("-p", head, "-p", new)
    try:
        text(root, "var", "GIT_COMMITTER_IDENT")
        commit = text(root, "commit-tree", tree, *parents, "-m", message)
    except GitFailed:  # nobody has told git who they are
        commit = text(root, *IDENTITY, "commit-tree", tree, *parents, "-m", message)
    return commit, kept


def _tree(root: Path, commit: str) -> Tree:
    rows = (row.split("\t", 1) for row in names(root, "ls-tree", "-r", "-z", commit))
    return {path: (info.split()[0], info.split()[2]) for info, path in rows}


def _write_tree(root: Path, tree: Tree) -> str:
    """Store a tree of files, folder by folder, without touching the index."""
    rows: dict[str, tuple[str, str, str]] = {}
    folders: dict[str, Tree] = {}
    for path, (mode, oid) in tree.items():
        head, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(head, {})[rest] = (mode, oid)
        else:
            rows[head] = (mode, "commit" if mode == "160000" else "blob", oid)
    for name, inner in folders.items():
        if name in rows:
            raise Refusal(f"{name} is a file on one side and a folder on the other: move yours.")
        rows[name] = ("040000", "tree", _write_tree(root, inner))
    listing = "".join(f"{mode} {kind} {oid}\t{name}\0" for name, (mode, kind, oid) in rows.items())
    return git(root, "mktree", "-z", stdin=listing.encode()).decode().strip()


def _move(root: Path, done: Update) -> None:
    """Move the branch and the files to `done.after`, and put the learner's own files back."""
    coming = names(root, "diff", "--name-only", "--no-renames", "-z", done.before, done.after)
    open_changes = set(names(root, "diff", "--name-only", "--no-renames", "-z", "HEAD"))
    tracked = set(_tree(root, done.before))
    mine = [
        path
        for path in coming
        if (path in open_changes or path not in tracked) and (root / path).is_file()
    ]
    contents = {path: (root / path).read_bytes() for path in mine}
    if mine:
        done.backup = back_up(root, [root / path for path in mine])
    try:
        for path in mine:
            if path in tracked:
                git(root, "checkout", "--quiet", "HEAD", "--", path)
            else:
                git(root, "rm", "--quiet", "--cached", "--ignore-unmatch", "--", path)
                (root / path).unlink()
        git(root, "merge", "--quiet", "--ff-only", done.after)
    except GitFailed as error:
        raise Refusal(f"Nothing was updated. git says: {error}") from None
    finally:
        same = {path: (root / path).read_bytes() for path in mine if (root / path).is_file()}
        for path, content in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
    done.kept += [path for path in mine if same.get(path) != contents[path]]


def _lay_beside(root: Path, done: Update, new: str) -> None:
    for path in sorted(set(done.kept)):
        source = blob(root, new, path)
        if source is None:
            done.gone.append(path)
            continue
        beside = root / f"{path}.new"
        if beside.is_file() and beside.read_bytes() != source:
            back_up(root, [beside])
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(source)
        done.beside.append(f"{path}.new")
    done.kept = sorted(set(done.kept) - set(done.gone))
