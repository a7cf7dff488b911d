"""nginx as a program: its command line, start, signals, and the image's entrypoint with its notices."""

from __future__ import annotations

import asyncio
import os
import posixpath
import signal

from pocketkube.images.programs.entrypoint import become
from pocketkube.images.programs.nginx import secure
from pocketkube.images.programs.nginx.config import Config, ConfigFailure, build, parse
from pocketkube.images.programs.nginx.server import Nginx, notice
from pocketkube.images.shell import patterns
from pocketkube.kubelet.process import Command, Process
from pocketkube.network.http import serve
from pocketkube.network.stream import Stream

CONF = b"""user  nginx;
worker_processes  auto;

error_log  /var/log/nginx/error.log notice;
pid        /var/run/nginx.pid;


events {
    worker_connections  1024;
}


http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;

    access_log  /var/log/nginx/access.log  main;

    sendfile        on;
    keepalive_timeout  65;

    include /etc/nginx/conf.d/*.conf;
}
"""
DEFAULT_CONF = b"""server {
    listen       80;
    server_name  localhost;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }

    error_page   500 502 503 504  /50x.html;
    location = /50x.html {
        root   /usr/share/nginx/html;
    }
}
"""
MIME_TYPES = b"""types {
    text/html                             html htm shtml;
    text/css                              css;
    text/xml                              xml;
    image/gif                             gif;
    image/jpeg                            jpeg jpg;
    application/javascript                js;
    text/plain                            txt;
    image/png                             png;
    image/svg+xml                         svg svgz;
    image/webp                            webp;
    image/x-icon                          ico;
    application/json                      json;
    application/pdf                       pdf;
    application/zip                       zip;
    application/wasm                      wasm;
    font/woff2                            woff2;
    video/mp4                             mp4;
}
"""
INDEX = b"""<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""
ERROR_PAGE = b"""<!DOCTYPE html>
<html>
<head>
<title>Error</title>
</head>
<body>
<h1>An error occurred.</h1>
<p>Sorry, the page you are looking for is currently unavailable.<br/>
Please try again later.</p>
<p><em>Faithfully yours, nginx.</em></p>
</body>
</html>
"""


def load(process: Process, path: str) -> Config:
    """Raises ConfigFailure."""
    fs = process.fs

    def read(name: str) -> str:
        return fs.read_bytes(name).decode("utf-8", "surrogateescape")

    def names(folder: str) -> list[str]:
        try:
            return fs.listdir(folder)
        except OSError:
            return []

    def glob(pattern: str) -> list[str]:
        return patterns.expand(pattern, "/", names, fs.exists) if patterns.is_pattern(pattern) else [pattern]

    config = build(parse(path, read, glob))
    config.contexts = secure.contexts(config, fs.read_bytes)
    return config


def nginx_for(version: str) -> Command:
    """The nginx program of one version."""

    async def nginx(process: Process) -> int:
        words = process.argv[1:]
        path, test, order = "/etc/nginx/nginx.conf", False, ""
        while words:
            word = words.pop(0)
            if word == "-v":
                await process.error(f"nginx version: nginx/{version}")
                return 0
            if word == "-V":
                await process.error(f"nginx version: nginx/{version}\nbuilt by gcc 12.2.0 (Debian 12.2.0-14+deb12u1)")
                return 0
            if word in ("-t", "-T"):
                test = True
            elif word in ("-c", "-g", "-p", "-e", "-s") and words:
                value = words.pop(0)
                path = value if word == "-c" else path
                order = value if word == "-s" else order
            elif word not in ("-q",):
                await process.error(f'nginx: invalid option: "{word.lstrip("-")}"')
                return 1
        if order:
            return await _order(process, order)
        try:
            config = load(process, path)
        except ConfigFailure as failure:
            if not test:
                await notice(process, str(failure), "emerg")
            await process.error(f"nginx: [emerg] {failure}")
            if test:
                await process.error(f"nginx: configuration file {path} test failed")
            return 1
        if test:
            await process.error(f"nginx: the configuration file {path} syntax is ok")
            await process.error(f"nginx: configuration file {path} test is successful")
            return 0
        return await _serve(process, path, config, version)

    return nginx


async def _order(process: Process, order: str) -> int:
    """`nginx -s stop|quit|reload|reopen`."""
    numbers = {"stop": signal.SIGTERM, "quit": signal.SIGQUIT, "reload": signal.SIGHUP, "reopen": signal.SIGUSR1}
    if order not in numbers:
        await process.error(f'nginx: invalid option: "-s {order}"')
        return 1
    for other in list(process.namespace.processes.values()):
        if other is not process and posixpath.basename(other.argv[0] if other.argv else "").startswith("nginx"):
            other.signal(numbers[order])
            return 0
    await process.error('nginx: [error] open() "/run/nginx.pid" failed (2: No such file or directory)')
    return 1


class _Master:
    def __init__(self, process: Process, path: str, config: Config, version: str) -> None:
        self.process = process
        self.path = path
        self.version = version
        self.sites: dict[int, Nginx] = {}
        self.listeners: dict[tuple[str, int], object] = {}
        self.connections: set[asyncio.Task[None]] = set()
        self.busy = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.use(config)

    def use(self, config: Config) -> None:
        ports = {port for server in config.servers for _, port in server.ports}
        self.sites = {port: Nginx(self.process, config, self.version, port) for port in ports}
        self.wanted = sorted({pair for server in config.servers for pair in server.ports})

    async def listen(self, group: asyncio.TaskGroup) -> bool:
        for address, port in self.wanted:
            taken = (address, port) in self.listeners
            if taken or (":" not in address and ("", port) in self.listeners):
                continue
            try:
                listener = self.process.net.listen(port, address or "0.0.0.0", v6only=address == "::")
            except OSError as error:
                where, why = f"{address or '0.0.0.0'}:{port}", os.strerror(error.errno or 0)
                text = f"bind() to {where} failed ({error.errno}: {why})"
                await notice(self.process, text, "emerg")
                await self.process.error(f"nginx: [emerg] {text}")
                return False
            self.listeners[(address, port)] = listener
            group.create_task(self.accept(listener, port))
        for pair in [pair for pair in self.listeners if pair not in self.wanted]:
            self.listeners.pop(pair).close()  # type: ignore[attr-defined]
        return True

    async def accept(self, listener: object, port: int) -> None:
        try:
            async for stream in listener:  # type: ignore[attr-defined]
                task = asyncio.ensure_future(self.connection(stream, port))
                self.connections.add(task)
                task.add_done_callback(self.connections.discard)
        finally:
            listener.close()  # type: ignore[attr-defined]

    async def connection(self, stream: Stream, port: int) -> None:
        async def handle(request: object) -> object:
            self.busy += 1
            self.idle.clear()
            try:
                return await self.sites[port].answer(request)  # type: ignore[arg-type]
            finally:
                self.busy -= 1
                if not self.busy:
                    self.idle.set()

        context = self.sites[port].config.contexts.get(port)
        secured = await secure.accept(stream, context, self.version) if context else stream
        if secured is not None:
            await serve(secured, handle)  # type: ignore[arg-type]

    def close(self) -> None:
        for listener in self.listeners.values():
            listener.close()  # type: ignore[attr-defined]
        for task in self.connections:
            task.cancel()


async def _serve(process: Process, path: str, config: Config, version: str) -> int:
    master = _Master(process, path, config, version)
    signals: asyncio.Queue[int] = asyncio.Queue()
    for handled in _MEANING:
        process.on_signal(handled, signals.put_nowait)
    process.argv = ["nginx: master process nginx -g daemon off;"]
    try:
        async with asyncio.TaskGroup() as group:
            if not await master.listen(group):
                process.finish(1)
                await asyncio.Event().wait()
            for text in (
                'using the "epoll" event method',
                f"nginx/{version}",
                "built by gcc 12.2.0 (Debian 12.2.0-14+deb12u1) ",
                "OS: Linux 6.12.0",
                "getrlimit(RLIMIT_NOFILE): 1048576:1048576",
                "start worker processes",
                f"start worker process {process.pid + 28}",
            ):
                await notice(process, text)
            while True:
                number = await signals.get()
                name = signal.Signals(number).name
                await notice(process, f"signal {number} ({name}) received, {_MEANING[signal.Signals(number)]}")
                if number == signal.SIGHUP:
                    try:
                        master.use(load(process, path))
                    except ConfigFailure as failure:
                        await notice(process, str(failure), "emerg")
                        continue
                    await master.listen(group)
                    continue
                if number in (signal.SIGUSR1, signal.SIGUSR2):
                    continue
                if number == signal.SIGQUIT:
                    for listener in master.listeners.values():
                        listener.close()  # type: ignore[attr-defined]
                    await master.idle.wait()
                await notice(process, "exit")
                process.finish(0)
                await asyncio.Event().wait()
    finally:
        master.close()
    return 0


_MEANING = {
    signal.SIGTERM: "exiting", signal.SIGINT: "exiting", signal.SIGQUIT: "shutting down",
    signal.SIGHUP: "reconfiguring",
    signal.SIGUSR1: "reopening logs", signal.SIGUSR2: "changing binary is not possible here",
}  # fmt: skip


async def entrypoint(process: Process) -> int:
    """/docker-entrypoint.sh: prepares the configuration for nginx, then becomes the command."""
    words = process.argv[1:]
    runs_nginx = bool(words) and posixpath.basename(words[0]) in ("nginx", "nginx-debug")
    if runs_nginx and "NGINX_ENTRYPOINT_QUIET_LOGS" not in process.env:
        await _notices(process)
    return await become(process, words, "/docker-entrypoint.sh: 47: exec")


async def _notices(process: Process) -> None:
    script, folder = "/docker-entrypoint.sh", "/docker-entrypoint.d"
    conf = "/etc/nginx/conf.d/default.conf"
    await process.print(f"{script}: {folder}/ is not empty, will attempt to perform configuration")
    await process.print(f"{script}: Looking for shell scripts in {folder}/")
    await process.print(f"{script}: Launching {folder}/10-listen-on-ipv6-by-default.sh")
    name = "10-listen-on-ipv6-by-default.sh: info:"
    try:
        text = process.fs.read_bytes(conf)
        process.fs.open(conf, "a").close()
    except FileNotFoundError:
        await process.print(f"{name} {conf} is not a file or does not exist")
    except OSError:
        await process.print(f"{name} can not modify {conf} (read-only file system?)")
    else:
        await process.print(f"{name} Getting the checksum of {conf}")
        if text == DEFAULT_CONF:
            process.fs.write_bytes(conf, text.replace(b"listen       80;", b"listen       80;\n    listen  [::]:80;"))
            await process.print(f"{name} Enabled listen on IPv6 in {conf}")
        else:
            await process.print(f"{name} {conf} differs from the packaged version")
    await process.print(f"{script}: Sourcing {folder}/15-local-resolvers.envsh")
    await process.print(f"{script}: Launching {folder}/20-envsubst-on-templates.sh")
    await _templates(process)
    await process.print(f"{script}: Launching {folder}/30-tune-worker-processes.sh")
    await process.print(f"{script}: Configuration complete; ready for start up")


async def _templates(process: Process) -> None:
    """Environment variables in /etc/nginx/templates/*.template."""
    fs = process.fs
    if not fs.is_dir("/etc/nginx/templates"):
        return
    for name in fs.listdir("/etc/nginx/templates"):
        if not name.endswith(".template"):
            continue
        target, source = f"/etc/nginx/conf.d/{name.removesuffix('.template')}", f"/etc/nginx/templates/{name}"
        await process.print(f"20-envsubst-on-templates.sh: Running envsubst on {source} to {target}")
        text = fs.read_bytes(source).decode()
        for variable, value in process.env.items():
            text = text.replace("${" + variable + "}", value)
        fs.write_bytes(target, text.encode())


def files() -> dict[str, bytes | None]:
    scripts = {
        f"/docker-entrypoint.d/{name}": b"#!/bin/sh\n"
        for name in (
            "10-listen-on-ipv6-by-default.sh",
            "15-local-resolvers.envsh",
            "20-envsubst-on-templates.sh",
            "30-tune-worker-processes.sh",
        )
    }
    return {
        **scripts,
        "/etc/nginx/nginx.conf": CONF,
        "/etc/nginx/conf.d/default.conf": DEFAULT_CONF,
        "/etc/nginx/mime.types": MIME_TYPES,
        "/usr/share/nginx/html/index.html": INDEX,
        "/usr/share/nginx/html/50x.html": ERROR_PAGE,
        "/var/log/nginx": None,
        "/var/cache/nginx": None,
    }
