"""MutatingWebhookConfigurations: who may change what is written, before it is judged."""

from __future__ import annotations

from pocketkube.resources.webhooks.configuration import WebhookConfiguration


class RESOURCE(WebhookConfiguration):
    kind = "MutatingWebhookConfiguration"
    plural = "mutatingwebhookconfigurations"
    reinvocation = ("Never", "IfNeeded")
