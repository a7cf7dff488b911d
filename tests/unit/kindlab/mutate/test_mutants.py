"""Mutants: each is another valid answer than the solution, and the same seed makes the same ones."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import yaml

from kindlab import labs, manifests
from kindlab.api import Obj
from kindlab.mutate import mutants
from kindlab.mutate.mutants import OPERATORS, Mutant
from kindlab.mutate.world import World

LABS = ("02", "05", "06", "08", "11", "12")


@pytest.fixture(scope="module")
def made() -> dict[str, list[Mutant]]:
    return {number: mutants.of(labs.find(number)) for number in LABS}


@pytest.mark.parametrize("number", ["02", "08", "11"])
def test_each_mutant_is_valid_yaml_and_another_answer(number: str, made: dict[str, list[Mutant]]) -> None:
    lab = labs.find(number)
    was = {file.name: manifests.read([file], lab.text) for file in labs.manifests(lab.solution_folder)}
    for mutant in random.Random(1).sample(made[number], 60):
        objects = manifests.parse(mutant.text, mutant.file)
        assert objects != was[mutant.file], mutant.id
        changed = [obj for obj in objects if obj not in was[mutant.file]]
        assert len(changed) <= 1, mutant.id  # one object, and no other
        assert len(objects) - len(was[mutant.file]) in (-1, 0, 1)


def test_ids_and_answers_are_each_there_once(made: dict[str, list[Mutant]]) -> None:
    for found in made.values():
        assert Counter(m.id for m in found).most_common(1)[0][1] == 1
        assert Counter((m.file, m.text) for m in found).most_common(1)[0][1] == 1


def test_the_same_files_make_the_same_mutants(made: dict[str, list[Mutant]]) -> None:
    assert mutants.of(labs.find("02")) == made["02"]


def test_every_operator_finds_something_in_the_course(made: dict[str, list[Mutant]]) -> None:
    assert OPERATORS.keys() - {m.operator for found in made.values() for m in found} == {"weight"} - {
        m.operator for m in made["06"]
    }


@pytest.mark.parametrize("size", [1, 20, 60])
def test_a_sample_is_the_same_for_the_same_seed_and_of_every_operator(size: int, made: dict[str, list[Mutant]]) -> None:
    every = made["02"]
    picked = mutants.chosen(every, sample=size, seed=7)
    assert picked == mutants.chosen(list(every), sample=size, seed=7)
    assert len(picked) == size
    assert picked == [mutant for mutant in every if mutant in picked]  # in the order of all
    kinds = {m.operator for m in every}
    assert len({m.operator for m in picked}) == min(size, len(kinds))
    assert any(mutants.chosen(every, sample=size, seed=seed) != picked for seed in range(20))


def test_some_are_chosen_by_operator_or_file(made: dict[str, list[Mutant]]) -> None:
    assert {m.operator for m in mutants.chosen(made["02"], "selector-value:")} == {"selector-value"}
    assert {m.file for m in mutants.chosen(made["02"], "cart.yaml")} == {"cart.yaml"}
    assert mutants.chosen(made["02"], sample=10_000) == made["02"]


SERVICE: Obj = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}
POLICY: Obj = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "db"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "db"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}]}],
    },
}
WEB = "{matchLabels: {app: web}}"
CLAIM: Obj = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "books"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


@pytest.mark.parametrize(
    ("operator", "obj", "says"),
    [
        ("selector-key", SERVICE, {"app: web -> apps: web"}),
        ("selector-value", SERVICE, {"web -> webs"}),
        ("selector-one-less", SERVICE, {"web -> nothing"}),
        ("target-port", SERVICE, {"8080 -> nothing", "8080 -> 8081", "8080 -> 80"}),
        ("headless", SERVICE, {"nothing -> None"}),
        ("policy-and-or", POLICY, {"both selectors at once -> either", "{} -> nothing", f"{WEB} -> nothing"}),
        ("class", CLAIM, {"fast -> fast-x", "fast -> nothing"}),
        ("size", CLAIM, {"1Gi -> 524288Ki", "1Gi -> 4194304Ki"}),
        ("elsewhere", SERVICE, {"lab -> lab-two"}),
        ("twice", SERVICE, {"Service/web -> and Service/web-copy"}),
        ("removed", SERVICE, {"Service/web -> nothing"}),
    ],
)  # fmt: skip
def test_what_an_operator_does(operator: str, obj: Obj, says: set[str]) -> None:
    before = yaml.safe_dump(obj)
    edits = list(OPERATORS[operator](obj, World((obj,), ("lab", "lab-two"))))
    assert {f"{edit.before} -> {edit.after}" for edit in edits} == says
    assert all(edit.objects != (obj,) for edit in edits)
    assert yaml.safe_dump(obj) == before  # the original stays as it is


def test_a_file_is_written_whole(made: dict[str, list[Mutant]]) -> None:
    mutant = next(m for m in made["02"] if m.operator == "removed" and m.object == "Deployment/cart-worker")
    assert {
        f"{obj['kind']}/{obj['metadata']['name']}" for obj in manifests.parse(mutant.text, Path(mutant.file).name)
    } == {
        "Deployment/cart",
        "Service/cart",
    }
