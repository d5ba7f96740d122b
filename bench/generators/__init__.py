"""What every generator is built from, and how generators are found and run."""
