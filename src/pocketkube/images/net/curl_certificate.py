"""What curl -v says of the server's certificate once the connection stands. A connection that is refused for its
certificate says only why: there curl also shows the certificate of another name."""

from __future__ import annotations

import ssl
from collections.abc import Iterator


def told(tls: ssl.SSLObject, host: str, *, verified: bool) -> Iterator[str]:
    """The lines, without their mark. `verified`: not with -k."""
    from cryptography import x509  # here: few commands need it, and it takes its time to import

    cipher = tls.cipher()
    yield f"SSL connection using {tls.version()} / {cipher[0] if cipher else '(NONE)'}"
    certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    yield "Server certificate:"
    yield f" subject: {_named(certificate.subject)}"
    for what, when in (("start", certificate.not_valid_before_utc), ("expire", certificate.not_valid_after_utc)):
        yield f" {what} date: {when:%b} {when.day:2} {when:%H:%M:%S %Y} GMT"
    if verified:
        yield f" {_matched(certificate, host)}"
    yield f" issuer: {_named(certificate.issuer)}"
    own = certificate.issuer == certificate.subject
    why = "self-signed certificate (18)" if own else "unable to get local issuer certificate (20)"
    yield " SSL certificate verify ok." if verified else f" SSL certificate verify result: {why}, continuing anyway."


def _named(name: object) -> str:
    """As OpenSSL writes a subject: `C=FR; O=x y; CN=host`."""
    from cryptography import x509

    assert isinstance(name, x509.Name)
    parts = (" + ".join(f"{one.rfc4514_attribute_name}={one.value!s}" for one in group) for group in name.rdns)
    return "; ".join(parts)


def _matched(certificate: object, host: str) -> str:
    """Which of its names is the host's; that one of them is has been verified."""
    from cryptography import x509

    assert isinstance(certificate, x509.Certificate)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return f"common name: {common[-1].value!s} (matched)"
    wild = f"*.{host.partition('.')[2]}".lower()
    dns = names.get_values_for_type(x509.DNSName)
    name = next((n for n in dns if n.lower() in (host.lower(), wild)), host)
    return f'subjectAltName: host "{host}" matched cert\'s "{name}"'
