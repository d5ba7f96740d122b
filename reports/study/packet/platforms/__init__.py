"""Write the files for platforms that collect answers: one module for each platform."""
