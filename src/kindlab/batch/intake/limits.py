"""How much of a submission is read. Every one of these ends the reading of one submission and of no other."""

FILES = 200
"""Files that are graded."""
FILE, ALL = 1 << 20, 8 << 20
"""Bytes of one file and of all, as they are when they are unpacked."""
NOTEBOOK = 4 << 20
"""Bytes of a notebook: it carries its outputs too."""
TOLD = 64 << 10
"""Bytes of kindlab.json."""
ENTRIES = 5_000
"""Files and folders that are looked at; what lies in skipped folders of a folder on disk does not count."""
DEPTH = 40
"""Folders in folders."""
ARCHIVE = 64 << 20
"""Bytes of an archive as it was handed in."""
DIRECTORY = 2 << 20
"""Bytes of a zip's table of contents, which is read as a whole."""
INFLATED = 64 << 20
"""Bytes that come out of one archive while it is read, wanted or not."""
REFUSED = 20
"""Files that are named one by one as left out; of more only the number is said."""

CLASS_ENTRIES = 200_000
CLASS_ALL = 8 << 30
"""Of a whole class's download in one archive."""
METADATA = 64 << 20
"""Bytes of Gradescope's submission_metadata.yml, which carries every test's output."""
