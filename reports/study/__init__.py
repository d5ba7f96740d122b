"""The human study: from the outputs of a run to blinded packets, and from answers to numbers."""
