"""Strategic merge patch.

Models apimachinery/pkg/util/strategicpatch for what a server does with one (StrategicMergeMapPatch): maps merge,
lists with a merge key merge item by item, lists of scalars with strategy merge are united, other lists are replaced,
null deletes; the directives $patch, $deleteFromPrimitiveList, $setElementOrder and $retainKeys; and in which order
merged lists come out. Keys and strategies are those of the Go structs.

Left out: making such patches, which is the client's work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from pocketkube import objects
from pocketkube.errors import BadRequest, Invalid, Unknown
from pocketkube.schema.types import UNSTRUCTURED, Field, Type

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE: Final = "$deleteFromPrimitiveList"
_ORDER: Final = "$setElementOrder"
_DROPPED: Final = object()  # in place of a value that a directive removes

BAD_PRIMITIVE_LIST: Final = "invalid patch format of primitive list"
BAD_RETAIN_KEYS: Final = "invalid patch format of retainKeys"
BAD_ORDER_LIST: Final = "invalid patch format of setElementOrder list"
UNSUPPORTED: Final = "strategic merge patch format is not supported"


def strategic_merge(original: dict[str, Any], patch: dict[str, Any], type_: Type) -> dict[str, Any]:
    """The patched object, still to be decoded (`schema.decode_patched`).

    Raises BadRequest, Invalid or Unknown (500) with upstream's texts.
    """
    if type_ is UNSTRUCTURED:
        raise BadRequest(UNSUPPORTED)
    return _merge_maps(original, objects.copy(patch), type_)


def _merge_maps(original: dict[str, Any], patch: dict[str, Any], type_: Type) -> dict[str, Any]:
    """`patch` is this function's to take apart; `original` is not."""
    if _PATCH in patch:
        return _whole_map(patch)
    result = dict(original)
    _retain_keys(result, patch)
    for directive in [name for name in patch if name.startswith(_ORDER)]:
        _set_order(result, patch, directive, type_)

    for name, change in patch.items():
        deleting = name.startswith(_DELETE)
        key = _directed_key(name, _DELETE, BAD_PRIMITIVE_LIST) if deleting else name
        if change is None:
            result.pop(key, None)
        elif key in result and _same_kind(result[key], change):
            merged = _merge_values(key, result[key], change, type_, deleting)
            if merged is _DROPPED:
                del result[key]
            else:
                result[key] = merged
        elif not deleting:
            added = _without_directives(_without_nulls(change))
            if added is _DROPPED:
                result.pop(key, None)
            else:
                result[key] = added
    return result


def _merge_values(key: str, held: Any, change: Any, type_: Type, deleting: bool) -> Any:
    if isinstance(change, dict):
        field = _field(type_, key)
        return change if _strategy(field) == "replace" else _merge_maps(held, change, field.type)
    if isinstance(change, list):
        field = _list_field(type_, key)
        return _merge_lists(held, change, field, deleting)
    return _without_directives(change)


def _whole_map(patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch[_PATCH]
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != _PATCH}
    if directive == "delete":
        return {}
    raise Unknown(f"unknown patch type: {go_text(directive)} in map: {go_text(patch)}")


def _retain_keys(result: dict[str, Any], patch: dict[str, Any]) -> None:
    """$retainKeys: what it does not list goes; the patch may set nothing else."""
    if _RETAIN not in patch:
        return
    retained = patch.pop(_RETAIN)
    if not isinstance(retained, list):
        raise BadRequest(BAD_RETAIN_KEYS)
    for name, value in patch.items():
        if value is not None and not name.startswith((_DELETE, _ORDER)) and name not in retained:
            raise BadRequest(BAD_RETAIN_KEYS)
    for name in [name for name in result if name not in retained]:
        del result[name]


# --- lists ----------------------------------------------------------------------------------------------------------


def _merge_lists(held: list[Any], change: list[Any], field: Field, deleting: bool = False) -> list[Any]:
    if _strategy(field) != "merge" and not deleting:
        return change
    if not held and not change:
        return held
    if not _holds_maps(held, change):
        if deleting:
            return [item for item in held if not _among(change, item)]
        united = [*held, *(item for item in change if not _among(held, item))]
        return _ordered(united, change, held, _itself)
    if not field.merge_key:
        raise Unknown("cannot merge lists without merge key for struct")
    held, change = _apply_item_directives(held, change, field.merge_key)
    merged = _merge_items(held, change, field)
    return _ordered(merged, change, held, _by(field.merge_key))


def _apply_item_directives(held: list[Any], change: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Items of the patch that only say what to do with the list: deletions, and "forget what is there"."""
    plain = []
    replace = False
    for item in change:
        directive = item.get(_PATCH)
        if _PATCH not in item:
            plain.append(item)
        elif directive == "delete":
            wanted = _key_of(item, merge_key)
            held = [kept for kept in held if not _equal(_as_map(kept).get(merge_key, _DROPPED), wanted)]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise Unknown("merging lists cannot yet be specified in the patch")
        else:
            raise Unknown(f"unknown patch type: {go_text(directive)} in map: {go_text(item)}")
    return (plain, []) if replace else (held, plain)


def _merge_items(held: list[Any], change: list[Any], field: Field) -> list[Any]:
    merged = list(held)
    assert field.type.element is not None
    for item in change:
        wanted = _key_of(item, field.merge_key)
        for index, candidate in enumerate(merged):
            if _equal(_as_map(candidate, index).get(field.merge_key, _DROPPED), wanted):
                merged[index] = _merge_maps(candidate, item, field.type.element)
                break
        else:
            merged.append(item)
    return merged


def _set_order(result: dict[str, Any], patch: dict[str, Any], directive: str, type_: Type) -> None:
    """$setElementOrder/NAME: merges NAME here and now, and brings it into that order."""
    order = patch.pop(directive)
    if not isinstance(order, list):
        raise Unknown(f"expected a []interface {{}}, but received a {_go_type(order)}")
    key = _directed_key(directive, _ORDER, BAD_ORDER_LIST)
    for holder in (result, patch):
        if key in holder and not isinstance(holder[key], list):
            raise Unknown(f"expected a []interface {{}}, but received a {_go_type(holder[key])}")
    field = _list_field(type_, key)
    held: list[Any] = result.get(key, [])
    change: list[Any] = patch.get(key, [])
    _check_order(change, order, field.merge_key)
    if key not in result and key not in patch:
        return
    if key not in patch:
        merged = held
    elif key not in result:
        merged = _without_directives(change)
    else:
        merged = _merge_lists(held, change, field)
    identity = _by(field.merge_key) if field.merge_key else _itself
    _check_elements([held, change])
    result[key] = _ordered(merged, order, _left_order(held, change, field.merge_key), identity)
    patch.pop(key, None)


def _left_order(held: list[Any], change: list[Any], merge_key: str) -> list[Any]:
    """The order the server's own items are compared by: a new item takes the place that a deletion freed.

    Upstream deletes from and appends to the very array it compares with afterwards; clients see the outcome.
    """
    if not merge_key:
        return held
    identity = _by(merge_key)
    deleted = {_token(identity(item)) for item in change if item.get(_PATCH) == "delete"}
    kept = [item for item in held if _token(identity(item)) not in deleted]
    known = _places(kept, identity)
    added = [item for item in change if _PATCH not in item and _token(identity(item)) not in known]
    return [*kept, *added][: len(held)]


def _check_order(change: list[Any], order: list[Any], merge_key: str) -> None:
    """The items of the patch must all be in the order list, and in that order; deletions need not."""
    if not order or not change:
        return
    items = [item for item in change if not (merge_key and _as_typed_map(item).get(_PATCH) == "delete")]
    places = iter(order)
    for item in items:
        if isinstance(item, dict) and _PATCH in item:
            continue
        if not any(_equal(_order_key(item, merge_key), _order_key(place, merge_key)) for place in places):
            raise Unknown(
                f"The order in patch list:\n{go_text(change)}\n doesn't match {_ORDER} list:\n{go_text(order)}\n"
            )


def _order_key(item: Any, merge_key: str) -> Any:
    return _key_of(_as_typed_map(item), merge_key) if merge_key else item


Identity = Callable[[Any], Any]


def _ordered(merged: list[Any], wanted: list[Any], held: list[Any], identity: Identity) -> list[Any]:
    """Items named by `wanted` in its order, the others in the order of `held`, one list laid into the other so that
    what was in front stays in front as far as both orders allow; new items come as early as they can.
    """
    wanted_places, held_places = _places(wanted, identity), _places(held, identity)
    named = [item for item in merged if _token(identity(item)) in wanted_places]
    others = [item for item in merged if _token(identity(item)) not in wanted_places]
    named.sort(key=lambda item: wanted_places[_token(identity(item))])
    others.sort(key=lambda item: held_places.get(_token(identity(item)), -1))

    result: list[Any] = []
    pending = iter(others)
    other = next(pending, _DROPPED)
    for item in named:
        place = held_places.get(_token(identity(item)))
        while other is not _DROPPED and place is not None and held_places.get(_token(identity(other)), place) < place:
            result.append(other)
            other = next(pending, _DROPPED)
        result.append(item)
    if other is not _DROPPED:
        result += [other, *pending]
    return result


def _places(items: Iterable[Any], identity: Identity) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for index, item in enumerate(items):
        places.setdefault(_token(identity(item)), index)
    return places


def _token(value: Any) -> Any:
    """A hashable stand-in that tells 1 from true and 1.0, as Go does."""
    return (type(value), value) if not isinstance(value, dict | list) else (type(value), go_text(value))


def _itself(item: Any) -> Any:
    return item


def _by(merge_key: str) -> Identity:
    return lambda item: _key_of(_as_typed_map(item), merge_key)


def _holds_maps(*lists: list[Any]) -> bool:
    return isinstance(_check_elements(list(lists)), dict)


def _check_elements(lists: list[list[Any]]) -> Any:
    """The first element; all must be of its kind."""
    first: Any = _DROPPED
    for item in (item for items in lists for item in items):
        if first is _DROPPED:
            first = item
            if isinstance(item, list):
                raise Invalid("the server rejected our request due to an error in our request", details={})
        elif not _same_kind(first, item):
            raise Unknown(f"list element types are not identical: {go_text(lists)}")
    if first is _DROPPED:
        raise Unknown("no elements in any of the given slices")
    return first


# --- small readers --------------------------------------------------------------------------------------------------


def _field(type_: Type, key: str) -> Field:
    if type_.kind not in ("struct", "quantity", "intstr", "time", "microtime"):
        raise Unknown(f"merging an object in json but data type is not struct, instead is: {_go_reflect_kind(type_)}")
    field = type_.fields.get(key)
    if field is None:
        raise Unknown(f'unable to find api field in struct {type_.struct_name} for the json field "{key}"')
    return field


def _list_field(type_: Type, key: str) -> Field:
    field = _field(type_, key)
    if field.type.kind not in ("list", "bytes"):
        raise Unknown(f"expected slice or array type, but got: {_go_reflect_kind(type_)}")
    return field


def _strategy(field: Field) -> str:
    """merge, replace or nothing; retainKeys is a hint for clients."""
    return next((name for name in field.strategies if name != "retainKeys"), "")


def _directed_key(name: str, prefix: str, problem: str) -> str:
    head, slash, key = name.partition("/")
    if head != prefix or not slash:
        raise BadRequest(problem)
    return key


def _key_of(item: dict[str, Any], merge_key: str) -> Any:
    if merge_key not in item:
        raise Unknown(f"map: {go_text(item)} does not contain declared merge key: {merge_key}")
    return item[merge_key]


def _as_map(item: Any, index: int = 0) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Unknown(f"value for key {index} is not a map")
    return item


def _as_typed_map(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Unknown(f"expected a map[string]interface {{}}, but received a {_go_type(item)}")
    return item


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _without_directives(value: Any) -> Any:
    """A value that has nothing to be merged with: maps with $patch in it vanish, whatever they say."""
    if isinstance(value, dict):
        if _PATCH in value:
            return _DROPPED
        kept = ((name, _without_directives(item)) for name, item in value.items())
        return {name: item for name, item in kept if item is not _DROPPED}
    if isinstance(value, list):
        return [item for item in map(_without_directives, value) if item is not _DROPPED]
    return value


def _same_kind(left: Any, right: Any) -> bool:
    return _go_type(left) == _go_type(right)


def _equal(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _among(items: list[Any], item: Any) -> bool:
    return any(_equal(item, other) for other in items)


def _go_type(value: Any) -> str:
    if value is None:
        return "%!s(<nil>)"
    kinds = ((bool, "bool"), (str, "string"), (int, "int64"), (float, "float64"), (dict, "map[string]interface {}"))
    return next((name for python, name in kinds if isinstance(value, python)), "[]interface {}")


def _go_reflect_kind(type_: Type) -> str:
    return {"list": "slice", "bytes": "slice", "quantity": "struct", "any": "struct"}.get(type_.kind, type_.kind)


def go_text(value: Any) -> str:
    """A JSON value as Go's %v prints it: `map[a:1 b:[x y]]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{go_text(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


__all__ = ["go_text", "strategic_merge"]
