"""Write the packets of a study."""
