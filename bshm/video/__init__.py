"""Films: people cut out of each frame, steadily, with the film's own timestamps and sound."""

from bshm.video.mattes import Matted, frames

__all__ = ["Matted", "frames"]
