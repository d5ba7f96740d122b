"""Files for platforms that collect answers: each module writes one platform's, and reads nothing else."""
