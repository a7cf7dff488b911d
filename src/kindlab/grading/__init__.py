"""The grading engine: runs a lab's grader against a live cluster and says what it found."""
