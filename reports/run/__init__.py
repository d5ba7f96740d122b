"""What is made of a finished run: tables, pages, figures, and the answers to a reviewer's questions."""
