"""Train the networks of the embedded metrics, and expression classifiers on data of users."""
