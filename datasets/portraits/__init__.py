"""Real pictures out of distribution that come with the suite: the data set ``ood-real``."""
