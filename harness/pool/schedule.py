"""How long trials take in; how many of them a worker is given at once out; pure."""

from __future__ import annotations

from dataclasses import dataclass

_SEEN = 8
"""Trials before what they took says anything about the next ones."""
_SHORT = 0.02
"""Seconds of a trial below which the way to the worker and back is worth saving."""
_AHEAD = 0.05
"""Seconds of work that a worker is given ahead."""
_LEAST = 1e-4
"""Seconds that every trial takes."""
_WEIGHT = 0.2
"""Of the newest trial in the mean."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The moving mean of what trials took."""

    trials: int = 0
    seconds: float = 0.0

    def after(self, seconds: float) -> Pace:
        """Return the pace with one more trial."""
        weight = _WEIGHT if self.trials else 1.0
        return Pace(self.trials + 1, self.seconds + weight * (seconds - self.seconds))

    @property
    def short(self) -> bool:
        """Whether trials are known to take so little that several go out at once."""
        return self.trials >= _SEEN and self.seconds < _SHORT


def share(pace: Pace, *, pending: int, held: int, workers: int) -> int:
    """Return how many of the pending trials a worker that holds `held` is given now.

    Fits go out one by one, to whoever is free: nobody waits at the end while another has two. Trials
    of milliseconds go out ahead, in numbers that fall towards the end.
    """
    if not pace.short:
        return min(pending, 1) if not held else 0
    wanted = max(1, round(_AHEAD / max(pace.seconds, _LEAST)))
    if held > wanted // 2:
        return 0
    fair = -(-pending // (2 * workers))
    return min(pending, fair, wanted - held)
