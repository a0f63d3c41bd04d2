"""What a command must say where disk or memory do not suffice."""

from __future__ import annotations


def fault(code: int, said: str) -> str:
    """What is wrong with how a command ended; nothing where it ended well, or with one message."""
    if code not in (0, 1, 2):
        return f"exit code {code}: {said[-500:]}"
    if "Traceback" in said:
        return said[-1500:]
    messages = [line for line in said.splitlines() if line.startswith("error: ")]
    if len(messages) != (code != 0):
        return f"{len(messages)} messages: {said[-500:]}"
    return "".join(line for line in messages if "please report" in line or "has no words" in line)
