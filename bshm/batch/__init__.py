"""Many photos from and to disks and the web."""
