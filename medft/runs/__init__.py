"""Run folders: their layout, their states, and what they hold, for every command that reads or writes one."""

from medft.runs.find import all_runs, find_run
from medft.runs.folder import RunDir, State

__all__ = ["RunDir", "State", "all_runs", "find_run"]
