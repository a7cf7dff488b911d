"""What learners get wrong, one family a file: each has OPERATORS, name -> function that yields the edits of an object.
A new family is a new file; all are scanned."""
