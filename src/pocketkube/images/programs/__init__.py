"""The programs of the larger images, a package each; the images themselves are declared one folder up."""
