"""What a HorizontalPodAutoscaler says: defaults, validation, how it is shown, and its older version."""
