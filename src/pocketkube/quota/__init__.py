"""What objects use of a ResourceQuota: who counts what (`base`, `pods`, `services`, `storage`), the arithmetic
(`amounts`), and what a whole namespace uses (`usage`).

Models apiserver/pkg/quota/v1 and pkg/quota/v1/evaluator/core. The admission plugin charges with it what is created,
the controller counts with it what is there. Left out: claims of dynamic resource allocation.
"""
