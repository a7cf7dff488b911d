"""`kindlab check --watch`: a lab graded again as soon as something changes: what the change can have to do with.

asked.py     an Api that notes what each task asks the cluster, and what the grading itself changes there
concerns.py  from what was asked to what a change concerns
objects.py   which changes of an object count at all
events.py    the changes of the lab's namespaces and of the learner's files, as they come
saves.py     a saved file beside the cluster: the same, not applied, not readable
follow.py    the loop: grade, wait, grade what is concerned
screen.py    what is shown of it: a live picture in a terminal, lines elsewhere
"""
