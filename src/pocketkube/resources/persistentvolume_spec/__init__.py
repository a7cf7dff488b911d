"""What PersistentVolumes and PersistentVolumeClaims have in them: validation, admission and what is printed of them."""
