"""The reference leaderboard holds on a real Redis or Valkey, in every run that can have one."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autograder.grading.benches.leaderboard_on_redis import SCENARIOS, play

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def solution(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = ROOT / "solutions" / "10_event_streams" / "leaderboard.py"
    spec = importlib.util.spec_from_file_location("solution_leaderboard", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_board_on_a_real_redis(scenario: Any, solution: ModuleType, redis_url: str) -> None:
    asyncio.run(play(scenario, solution, redis_url))
