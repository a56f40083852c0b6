"""How a tool or a host call fails. The kind decides whether the workflow engine tries again and what its author reads."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["invalid_input", "not_found", "denied", "rate_limited", "unavailable", "failed"]


class ToolError(Exception):
    """A failure with its kind. A tool raises it, and so does whatever the host refuses.

    Any other exception that leaves a tool is a failure of the kind `failed`.
    """

    def __init__(self, message: str = "", *, kind: Kind = "failed", retry_after: int | None = None) -> None:
        if kind not in get_args(Kind):
            raise ValueError(f"`{kind}` is no kind of error; there are {', '.join(get_args(Kind))}")
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        #: Seconds to wait, of the kind `rate_limited` and where known.
        self.retry_after = retry_after

    @classmethod
    def invalid_input(cls, message: str) -> ToolError:
        """The caller's input is wrong; the same input again cannot help."""
        return cls(message, kind="invalid_input")

    @classmethod
    def not_found(cls, message: str) -> ToolError:
        """What was asked for does not exist, or not for this tenant."""
        return cls(message, kind="not_found")

    @classmethod
    def denied(cls, message: str) -> ToolError:
        """The manifest does not ask for it, or the tenant has not granted it."""
        return cls(message, kind="denied")

    @classmethod
    def rate_limited(cls, retry_after: int | None = None) -> ToolError:
        """Too many calls. The engine tries again."""
        words = "too many calls" if retry_after is None else f"too many calls; wait {retry_after} s"
        return cls(words, kind="rate_limited", retry_after=retry_after)

    @classmethod
    def unavailable(cls, message: str) -> ToolError:
        """Something outside is down or slow. The engine tries again."""
        return cls(message, kind="unavailable")

    @classmethod
    def failed(cls, message: str) -> ToolError:
        """Anything else."""
        return cls(message, kind="failed")

    def __str__(self) -> str:
        return self.message if self.kind in ("failed", "rate_limited") else f"{self.kind.replace('_', ' ')}: {self.message}"
