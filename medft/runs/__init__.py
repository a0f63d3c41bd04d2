"""Run folders: their layout, their states, and what they hold, for every command that reads or writes one."""

from medft.runs.folder import LATEST, RunDir, State, all_runs, find_run

__all__ = ["LATEST", "RunDir", "State", "all_runs", "find_run"]
