"""The study as a web page: works from a disk, any static host, and the lab's own server."""
