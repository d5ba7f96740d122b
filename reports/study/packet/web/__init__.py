"""The web page of a study, for a disk, any static host and the lab's own server."""
