"""ValidatingWebhookConfigurations: who is asked whether a request may be, beyond what the cluster knows itself."""

from __future__ import annotations

from pocketkube.resources.webhooks.configuration import WebhookConfiguration


class RESOURCE(WebhookConfiguration):
    kind = "ValidatingWebhookConfiguration"
    plural = "validatingwebhookconfigurations"
