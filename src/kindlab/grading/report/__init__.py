"""Reports: one file per format, all written from `kindlab.grading.outcome.Report`."""
