"""nginx's configuration language: directives and blocks, `include`, and the subset of directives this nginx obeys.

A directive nginx does not have, and one it has but this one does not obey, both end the start with an `[emerg]` line.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from pocketkube.regex import BadPattern, perl

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|([{};])|((?:\\.|\$\{\w+\}|[^\s{};"'\\])+)""", re.DOTALL
)
OBEYED = frozenset(
    [
        "http",
        "server",
        "location",
        "upstream",
        "events",
        "types",
        "include",
        "listen",
        "server_name",
        "root",
        "alias",
        "index",
        "return",
        "rewrite",
        "proxy_pass",
        "proxy_set_header",
        "proxy_connect_timeout",
        "proxy_read_timeout",
        "try_files",
        "autoindex",
        "add_header",
        "default_type",
        "error_page",
        "access_log",
        "error_log",
        "log_format",
        "internal",
        "deny",
        "allow",
        "if",
        "set",
        "limit_except",
        "stub_status",
        "ssl_certificate",
        "ssl_certificate_key",
        "absolute_redirect",
        "port_in_redirect",
    ]
)
_WITHOUT_EFFECT = frozenset(
    [
        "user",
        "worker_processes",
        "worker_connections",
        "pid",
        "sendfile",
        "tcp_nopush",
        "tcp_nodelay",
        "keepalive_timeout",
        "keepalive_requests",
        "gzip",
        "gzip_types",
        "gzip_min_length",
        "gzip_vary",
        "gzip_proxied",
        "gzip_comp_level",
        "client_max_body_size",
        "client_body_buffer_size",
        "server_tokens",
        "types_hash_max_size",
        "server_names_hash_bucket_size",
        "proxy_http_version",
        "proxy_buffering",
        "proxy_redirect",
        "proxy_buffer_size",
        "proxy_buffers",
        "proxy_cache",
        "proxy_send_timeout",
        "resolver",
        "resolver_timeout",
        "charset",
        "daemon",
        "expires",
        "etag",
        "worker_rlimit_nofile",
        "multi_accept",
        "use",
        "aio",
        "directio",
        "open_file_cache",
        "map_hash_bucket_size",
        "real_ip_header",
        "set_real_ip_from",
        "keepalive",
        "zone",
        "least_conn",
        "ip_hash",
        "reset_timedout_connection",
        "client_body_timeout",
        "client_header_timeout",
        "send_timeout",
        "large_client_header_buffers",
        "log_not_found",
    ]
)
_NOT_OBEYED = frozenset(
    [
        "stream",
        "mail",
        "map",
        "geo",
        "split_clients",
        "ssl_client_certificate",
        "ssl_verify_client",
        "ssl_password_file",
        "fastcgi_pass",
        "uwsgi_pass",
        "scgi_pass",
        "grpc_pass",
        "auth_basic",
        "auth_basic_user_file",
        "auth_request",
        "sub_filter",
        "limit_req",
        "limit_req_zone",
        "limit_conn",
        "limit_conn_zone",
        "mirror",
        "proxy_cache_path",
        "perl",
        "js_import",
        "load_module",
        "valid_referers",
        "secure_link",
        "dav_methods",
        "rewrite",
        "if",
        "set",
        "limit_except",
        "stub_status",
    ]
)


class ConfigFailure(Exception):
    """The text of nginx's [emerg] line."""


@dataclass
class Directive:
    name: str
    arguments: list[str]
    where: str
    block: list[Directive] | None = None


@dataclass
class Location:
    modifier: str
    path: str
    settings: dict[str, list[str]] = field(default_factory=dict)
    headers: list[list[str]] = field(default_factory=list)
    proxy_headers: list[list[str]] = field(default_factory=list)
    error_pages: dict[int, str] = field(default_factory=dict)
    rules: list[tuple[bool, str]] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)


@dataclass
class Server(Location):
    ports: list[tuple[str, int]] = field(default_factory=list)
    secure: dict[int, str] = field(default_factory=dict)
    """Ports with `ssl`, and where that is written."""
    names: list[str] = field(default_factory=list)
    default: bool = False


@dataclass
class Config:
    servers: list[Server]
    upstreams: dict[str, list[str]]
    types: dict[str, str]
    logs: list[str]
    contexts: dict[int, ssl.SSLContext] = field(default_factory=dict)
    """What is served by TLS: port -> certificates."""


def parse(path: str, read: Callable[[str], str], glob: Callable[[str], list[str]]) -> list[Directive]:
    """The directives of a file, with what it includes in place. Raises ConfigFailure."""
    try:
        text = read(path)
    except OSError as error:
        raise ConfigFailure(f'open() "{path}" failed ({error.errno}: {error.strerror})') from None
    stack: list[list[Directive]] = [[]]
    words: list[str] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        line = text.count("\n", 0, position) + 1
        if not found:
            raise ConfigFailure(f'unexpected end of file, expecting "}}" in {path}:{line}')
        double, single, mark, word = found.groups()
        position = found.end()
        value = double if double is not None else single if single is not None else word
        if value is not None:
            words.append(re.sub(r"\\(.)", _unescaped, value, flags=re.DOTALL))
        elif mark == "}":
            if words or len(stack) == 1:
                raise ConfigFailure(f'unexpected "}}" in {path}:{line}')
            stack.pop()
        elif mark:
            if not words:
                raise ConfigFailure(f'unexpected "{mark}" in {path}:{line}')
            directive = Directive(words[0], words[1:], f"{path}:{line}", [] if mark == "{" else None)
            in_types = any(item.name == "types" and item.block is stack[-1] for level in stack for item in level)
            words = []
            if not in_types:
                _known(directive)
            if directive.name == "include":
                name = directive.arguments[0]
                name = name if name.startswith("/") else f"/etc/nginx/{name}"
                for included in glob(name):
                    stack[-1] += parse(included, read, glob)
                continue
            stack[-1].append(directive)
            if directive.block is not None:
                stack.append(directive.block)
    if words or len(stack) > 1:
        wanted = '";" or "}"' if words else '"}"'
        line = text.count("\n") + 1
        raise ConfigFailure(f"unexpected end of file, expecting {wanted} in {path}:{line}")
    return stack[0]


def _unescaped(found: re.Match[str]) -> str:
    letter = found.group(1)
    return {"n": "\n", "t": "\t", "r": "\r"}.get(letter) or (letter if letter in "\"'\\" else found.group())


def _known(directive: Directive) -> None:
    name = directive.name
    if name in _NOT_OBEYED:
        raise ConfigFailure(f'directive "{name}" is not obeyed by this cluster\'s nginx in {directive.where}')
    if name in OBEYED or name in _WITHOUT_EFFECT or name.startswith("ssl_"):
        return
    raise ConfigFailure(f'unknown directive "{name}" in {directive.where}')


def build(directives: list[Directive]) -> Config:
    """Servers, upstreams and types of a parsed file. Raises ConfigFailure."""
    config = Config([], {}, {}, [])
    if not any(directive.name == "events" for directive in directives):
        raise ConfigFailure('no "events" section in configuration')
    for directive in directives:
        if directive.name == "http":
            base = Location("", "")
            for inner in directive.block or []:
                if inner.name == "server":
                    continue
                if inner.name == "upstream":
                    config.upstreams[inner.arguments[0]] = [
                        item.arguments[0] for item in inner.block or [] if item.name == "server"
                    ]
                elif inner.name == "types":
                    for item in inner.block or []:
                        config.types.update(dict.fromkeys(item.arguments, item.name))
                else:
                    _setting(base, inner)
            for inner in directive.block or []:
                if inner.name == "server":
                    config.servers.append(_server(inner, base))
    return config


def _server(directive: Directive, base: Location) -> Server:
    server = Server("", "", dict(base.settings), list(base.headers), list(base.proxy_headers), dict(base.error_pages))
    own_headers = False
    for inner in directive.block or []:
        if inner.name == "listen":
            server.ports.append(_listen(inner))
            if "ssl" in inner.arguments:
                server.secure[server.ports[-1][1]] = inner.where
            server.default = server.default or "default_server" in inner.arguments
        elif inner.name == "server_name":
            server.names += inner.arguments
            for name in inner.arguments:
                if name.startswith("~"):
                    _pattern(name[1:], inner)
        elif inner.name == "location":
            continue
        else:
            if inner.name == "add_header" and not own_headers:
                own_headers, server.headers = True, []
            _setting(server, inner)
    if not server.ports:
        server.ports.append(("", 80))
    server.locations = _locations(directive, server)
    return server


def _pattern(text: str, directive: Directive) -> None:
    """Refuses what is no pattern, and what RE2 has not of PCRE."""
    try:
        perl(text)
    except BadPattern as error:
        why = str(error).removeprefix("error parsing regexp: ")
        raise ConfigFailure(
            f'the regular expression "{text}" is not valid, or not obeyed by this cluster\'s nginx '
            f"(no back-references, no look-around): {why} in {directive.where}"
        ) from None


def _locations(directive: Directive, parent: Location) -> list[Location]:
    found = []
    for inner in directive.block or []:
        if inner.name != "location":
            continue
        words = inner.arguments
        if not 1 <= len(words) <= 2:
            raise ConfigFailure(f'invalid number of arguments in "location" directive in {inner.where}')
        modifier, path = (words[0], words[1]) if len(words) == 2 else ("", words[0])
        if len(words) == 1 and path[:1] in ("=", "~"):
            modifier, path = path[:1], path[1:]
        if modifier.startswith("~"):
            _pattern(path, inner)
        location = Location(
            modifier,
            path,
            {k: v for k, v in parent.settings.items() if k not in ("return", "proxy_pass", "alias", "try_files")},
            list(parent.headers),
            list(parent.proxy_headers),
            dict(parent.error_pages),
            list(parent.rules),
        )
        own: set[str] = set()
        for item in inner.block or []:
            if item.name == "location":
                continue
            if item.name in ("add_header", "proxy_set_header", "allow", "deny") and item.name not in own:
                own |= {"allow", "deny"} if item.name in ("allow", "deny") else {item.name}
                if item.name == "add_header":
                    location.headers = []
                elif item.name == "proxy_set_header":
                    location.proxy_headers = []
                else:
                    location.rules = []
            _setting(location, item)
        location.locations = _locations(inner, location)
        found.append(location)
    return found


def _setting(location: Location, directive: Directive) -> None:
    name, arguments = directive.name, directive.arguments
    if name == "add_header":
        location.headers.append(arguments)
    elif name == "proxy_set_header":
        location.proxy_headers.append(arguments)
    elif name in ("allow", "deny"):
        location.rules.append((name == "allow", arguments[0]))
    elif name == "error_page":
        for code in arguments[:-1]:
            if code.isdecimal():
                location.error_pages[int(code)] = arguments[-1]
    elif name in OBEYED:
        if not arguments and name not in ("internal", "types"):
            raise ConfigFailure(f'invalid number of arguments in "{name}" directive in {directive.where}')
        location.settings[name] = arguments


def _listen(directive: Directive) -> tuple[str, int]:
    if not directive.arguments:
        raise ConfigFailure(f'invalid number of arguments in "listen" directive in {directive.where}')
    text = directive.arguments[0]
    if "ipv6only=off" in directive.arguments:
        raise ConfigFailure(f'"ipv6only=off" is not obeyed by this cluster\'s nginx in {directive.where}')
    if text.startswith("[") and text.endswith("]"):
        text += ":80"
    address, colon, port = text.rpartition(":")
    if not colon and "." in text:
        address, port = text, "80"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigFailure(f'invalid port in "{text}" of the "listen" directive in {directive.where}')
    return ("" if address == "*" else address.strip("[]")), int(port)
