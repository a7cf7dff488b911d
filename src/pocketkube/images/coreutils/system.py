"""env, hostname, id, whoami, uname, date, uptime, nproc, tty, which, free: the machine as a container sees it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pocketkube.images.coreutils.options import fail, name_of, parse, reason
from pocketkube.kubelet.process import Command, Process

KERNEL = "6.12.0"


async def env(process: Process) -> int:
    options = await parse(process, "iu*0", {"ignore-environment": "i", "unset": "u", "null": "0"}, stop=True)
    words = options.rest
    environment = {} if "i" in options or words[:1] == ["-"] else dict(process.env)
    if words[:1] == ["-"]:
        words = words[1:]
    for name in options.get("u", []):
        environment.pop(name, None)
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if words:
        return await run(process, words, environment)
    end = "\0" if "0" in options else "\n"
    for name, value in environment.items():
        await process.print(f"{name}={value}", end)
    return 0


async def run(process: Process, words: list[str], environment: dict[str, str] | None = None) -> int:
    """Become another program, as execvp does; tells what cannot be run."""
    try:
        main = process.become(words, environment)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        await process.error(f"{name_of(process)}: can't execute '{words[0]}': {reason(error)}")
        return 127 if missing else 126
    return await main(process)


async def printenv(process: Process) -> int:
    names = [word for word in process.argv[1:] if word != "-0"]
    if not names:
        return await env(process)
    status = 0
    for name in names:
        if name in process.env:
            await process.print(process.env[name])
        else:
            status = 1
    return status


async def hostname(process: Process) -> int:
    options = await parse(process, "sifdF:", {"short": "s", "ip-address": "i", "fqdn": "f", "long": "f", "domain": "d"})
    if options.rest or "F" in options:
        await fail(process, "sethostname: Operation not permitted")
    name = process.hostname
    if "i" in options:
        await process.print(" ".join(process.net.addresses))
    elif "s" in options:
        await process.print(name.partition(".")[0])
    elif "f" in options or "d" in options:
        full = _own_name(process, name)
        if "f" in options:
            await process.print(full)
        elif "." in full:
            await process.print(full.partition(".")[2])  # without a domain nothing is printed
    else:
        await process.print(name)
    return 0


def _own_name(process: Process, name: str) -> str:
    """The canonical name /etc/hosts has for this host."""
    try:
        for line in process.fs.read_bytes("/etc/hosts").decode(errors="replace").splitlines():
            _, *names = line.partition("#")[0].split() or [""]
            if name in names:
                return names[0]
    except OSError:
        pass
    return name


def _names(process: Process, path: str, field: int = 2) -> dict[int, str]:
    found: dict[int, str] = {}
    try:
        for line in process.fs.read_bytes(path).decode(errors="replace").splitlines():
            parts = line.split(":")
            if len(parts) > field and parts[field].isdecimal():
                found.setdefault(int(parts[field]), parts[0])
    except OSError:
        pass
    return found


def user_name(process: Process, uid: int) -> str | None:
    return _names(process, "/etc/passwd").get(uid)


def group_name(process: Process, gid: int) -> str | None:
    return _names(process, "/etc/group").get(gid)


async def id_(process: Process) -> int:
    options = await parse(process, "ugGnr", {"user": "u", "group": "g", "groups": "G", "name": "n", "real": "r"})
    uid, gid, groups = process.uid, process.gid, list(dict.fromkeys((process.gid, *process.groups)))
    if options.rest:
        name = options.rest[0]
        users = {name: uid for uid, name in _names(process, "/etc/passwd").items()}
        if name in users:
            uid = users[name]
        elif name.isdecimal() and int(name) in users.values():
            uid = int(name)
        else:
            await fail(process, f"unknown user {name}")
        if uid != process.uid:
            primary = {
                int(parts[2]): int(parts[3])
                for line in process.fs.read_bytes("/etc/passwd").decode(errors="replace").splitlines()
                if len(parts := line.split(":")) > 3 and parts[2].isdecimal()
            }
            gid = primary.get(uid, uid)
            groups = [gid]
    user, group = user_name(process, uid), group_name(process, gid)
    if "u" in options:
        if "n" in options and user is None:
            await fail(process, f"unknown ID {uid}")
        await process.print(user or "" if "n" in options else str(uid))
    elif "g" in options:
        if "n" in options and group is None:
            await fail(process, f"unknown ID {gid}")
        await process.print(group or "" if "n" in options else str(gid))
    elif "G" in options:
        shown = [group_name(process, number) or str(number) if "n" in options else str(number) for number in groups]
        await process.print(" ".join(shown))
    else:

        def both(number: int, name: str | None) -> str:
            return f"{number}({name})" if name else str(number)

        listed = ",".join(both(number, group_name(process, number)) for number in groups)
        await process.print(f"uid={both(uid, user)} gid={both(gid, group)} groups={listed}")
    return 0


async def whoami(process: Process) -> int:
    name = user_name(process, process.uid)
    if name is None:
        await fail(process, f"unknown uid {process.uid}")
    await process.print(name or "")
    return 0


async def uname(process: Process) -> int:
    options = await parse(process, "asnrvmpio", {"all": "a", "kernel-name": "s", "machine": "m"})
    values = {
        "s": "Linux", "n": process.hostname, "r": KERNEL, "v": "#1 SMP PREEMPT_DYNAMIC", "m": "x86_64", "p": "unknown",
        "i": "unknown", "o": "GNU/Linux",
    }  # fmt: skip
    letters = "snrvmo" if "a" in options else "".join(letter for letter in "snrvmpio" if letter in options) or "s"
    await process.print(" ".join(values[letter] for letter in letters))
    return 0


async def date(process: Process) -> int:
    long = {"utc": "u", "date": "d", "reference": "r", "iso-8601": "I", "rfc-2822": "R", "set": "s"}
    words = process.argv[1:]
    iso = next((word for word in words if word.startswith(("-I", "--iso-8601"))), None)
    process.argv[1:] = [word for word in words if word != iso]
    options = await parse(process, "ud:r:Rs:D:I", long)
    moment = datetime.fromtimestamp(process.clock.time(), UTC)
    if "s" in options:
        await fail(process, "can't set date: Operation not permitted")
    if "r" in options:
        try:
            moment = datetime.fromtimestamp(process.fs.stat(options.get("r")).mtime, UTC)
        except OSError as error:
            await fail(process, f"{options.get('r')}: {reason(error)}")
    if "d" in options:
        given = _date_of(options.get("d"), moment)
        if given is None:
            await fail(process, f"invalid date '{options.get('d')}'")
        moment = given or moment
    text = "%a %b %e %H:%M:%S %Z %Y"
    if iso:
        precision = iso.removeprefix("--iso-8601").removeprefix("-I").removeprefix("=") or "date"
        text = {"d": "%Y-%m-%d", "h": "%Y-%m-%dT%H%:z", "m": "%Y-%m-%dT%H:%M%:z"}.get(
            precision[0], "%Y-%m-%dT%H:%M:%S%:z"
        )
    elif "R" in options:
        text = "%a, %d %b %Y %H:%M:%S %z"
    for word in options.rest:
        if not word.startswith("+"):
            await fail(process, f"invalid date '{word}'")
        text = word[1:]
    await process.print(format_date(moment, text))
    return 0


def format_date(moment: datetime, text: str) -> str:
    """strftime with what glibc adds: %s, %N, %-d, %:z; the time zone is always UTC."""

    def one(found: re.Match[str]) -> str:
        code = found.group()
        if code == "%s":
            return str(int(moment.timestamp()))
        if code == "%N":
            return f"{moment.microsecond * 1000:09d}"
        if code == "%:z":
            return "+00:00"
        if code[1] == "-":
            return moment.strftime("%" + code[2:]).lstrip("0 ") or "0"
        return moment.strftime(code)

    return re.sub(r"%(?::z|-?.)", one, text)


def _date_of(text: str, now: datetime) -> datetime | None:
    if re.fullmatch(r"@-?\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text[1:]), UTC)
    if text == "now":
        return now
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y.%m.%d-%H:%M:%S", "%H:%M:%S", "%H:%M",
                 "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"):  # fmt: skip
        try:
            found = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return found if "%Y" in form else found.replace(year=now.year, month=now.month, day=now.day)
    return None


async def uptime(process: Process) -> int:
    minutes = int(process.clock.monotonic()) // 60
    now = datetime.fromtimestamp(process.clock.time(), UTC).strftime("%H:%M:%S")
    span = f"{minutes // 60:2d}:{minutes % 60:02d}" if minutes >= 60 else f"{minutes} min"
    loads = ", ".join(f"{load:.2f}" for load in process.namespace.cpu.loads())
    await process.print(f" {now} up {span},  load average: {loads}")
    return 0


async def nproc(process: Process) -> int:
    await process.print(str(process.namespace.cpu.count))
    return 0


async def free(process: Process) -> int:
    await process.print("              total        used        free      shared  buff/cache   available")
    total, used = process.namespace.cpu.memory >> 10, process.namespace.cpu.memory_used() >> 10
    left = total - used
    await process.print(f"Mem:    {total:11d} {used:11d} {left:11d} {0:11d} {0:11d} {left:11d}")
    await process.print("Swap:             0           0           0")
    return 0


async def tty(process: Process) -> int:
    terminal = getattr(process.fds.get(0), "terminal", None) is not None
    if "-s" not in process.argv:
        await process.print("/dev/pts/0" if terminal else "not a tty")
    return 0 if terminal else 1


async def sync(process: Process) -> int:
    return 0


async def which(process: Process) -> int:
    every = "-a" in process.argv
    status = 0
    for name in process.argv[1:]:
        if name == "-a":
            continue
        folders = [""] if "/" in name else process.env.get("PATH", "").split(":")
        found = 0
        for folder in folders:
            try:
                path = process.namespace.find_program(
                    name if not folder else f"{folder.rstrip('/')}/{name}", cwd=process.cwd, path=""
                )
            except OSError:
                continue
            await process.print(path)
            found += 1
            if not every:
                break
        status = status if found else 1
    return status


async def arch(process: Process) -> int:
    await process.print("x86_64")
    return 0


COMMANDS: dict[str, Command] = {
    "env": env,
    "printenv": printenv,
    "hostname": hostname,
    "id": id_,
    "whoami": whoami,
    "uname": uname,
    "date": date,
    "uptime": uptime,
    "nproc": nproc,
    "free": free,
    "tty": tty,
    "sync": sync,
    "which": which,
    "arch": arch,
}
