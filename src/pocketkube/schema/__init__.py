"""What the API's types look like, and how bodies become objects of those types.

`for_kind` finds a type, `loads_json`/`loads_yaml` parse a body, `decode` turns what was parsed into the object a
real API server would hold (`types`, `parse`, `decoding` say what each models and leaves out). Nothing is loaded on
import; the packaged v1.36.2 schemas are read one group at a time, when first asked for.
"""

from pocketkube.schema.decoding import decode, decode_patched, strict_text
from pocketkube.schema.parse import ParseError, group_version_kind, loads_json, loads_yaml, unrecognized
from pocketkube.schema.reader import DecodeError
from pocketkube.schema.types import UNSTRUCTURED, Field, Type, UnknownKind, for_kind

__all__ = [
    "UNSTRUCTURED",
    "DecodeError",
    "Field",
    "ParseError",
    "Type",
    "UnknownKind",
    "decode",
    "decode_patched",
    "for_kind",
    "group_version_kind",
    "loads_json",
    "loads_yaml",
    "strict_text",
    "unrecognized",
]
