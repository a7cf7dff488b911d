"""The API over HTTPS: what kubectl, client libraries and browsers of the API speak to."""
