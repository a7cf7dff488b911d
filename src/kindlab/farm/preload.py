"""Imported once in the process that all pieces of work are forked from: what gradings import, and nothing that runs."""

import gc

import kubernetes.client
import kubernetes.config
import kubernetes.stream
import pytest
import yaml

import kindlab.grading.runner
import kindlab.states
import kindlab.trials

__all__: list[str] = []
_ = (kubernetes, pytest, yaml, kindlab)
gc.collect()
gc.freeze()
