"""Finds the course's settings although an option names a folder elsewhere.

pytest looks for its settings before it loads plugins: the folder in `--submission /tmp/answers` is
no option's value to it yet, but one more place to run tests in, and the settings would have to be
above both. So the search is repeated once the options are known.
"""

from __future__ import annotations

from typing import Any

_OPTIONS = ("submission", "results", "variants")


def find_again(config: Any, args: list[str]) -> None:
    """Set pytest's root folder and settings by the tests alone, and add the settings' options.

    Uses names that are private to pytest: there is no public way to do this after it has looked.
    """
    known = config.known_args_namespace
    chosen = known.rootdir or known.inifilename
    if chosen or not any(getattr(known, name, None) for name in _OPTIONS):
        return
    from _pytest.config.findpaths import determine_setup

    rootpath, inipath, inicfg, ignored = determine_setup(
        inifile=None,
        override_ini=known.override_ini,
        args=known.file_or_dir,
        rootdir_cmd_arg=None,
        invocation_dir=config.invocation_params.dir,
    )
    if inipath is None or inipath == config.inipath:
        return
    config._rootpath, config._inipath, config._inicfg = rootpath, inipath, inicfg
    config._ignored_config_files = ignored
    config._inicache.clear()
    args[:] = [*config.getini("addopts"), *args]
    config.known_args_namespace = config._parser.parse_known_args(args)
    if config.known_args_namespace.confcutdir is None:
        config.known_args_namespace.confcutdir = str(inipath.parent)
