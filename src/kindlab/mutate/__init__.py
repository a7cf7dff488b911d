"""`kindlab mutate`: graders tested against wrong answers that nobody wrote by hand."""
