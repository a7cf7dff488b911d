"""What is ash's own: error texts, statuses, signals, scripts, the terminal. Texts as BusyBox 1.36 prints them."""

from __future__ import annotations

import asyncio
import signal

import pytest

from pocketkube.images.shell import interactive
from pocketkube.kubelet import rounds
from pocketkube.kubelet.terminal import ProcessGroup, Terminal
from pocketkube.network.stream import Channel


@pytest.mark.parametrize(
    ("script", "status", "err"),
    [
        ("foo", 127, "sh: foo: not found\n"),
        ("foo; echo on", 0, "sh: foo: not found\n"),
        ("/no/such", 127, "sh: /no/such: not found\n"),
        (">/f; /f", 126, "sh: /f: Permission denied\n"),
        ("/tmp", 126, "sh: /tmp: Permission denied\n"),
        ("cat < /nope", 1, "sh: can't open /nope: no such file\n"),
        ("false && cat < /nope | cat", 1, ""),
        ("true || cat < /nope | cat", 0, ""),
        ("true && ! cat < /etc/passwd | grep -q nobodyhere", 0, ""),
        ("true && ! cat < /etc/passwd | grep -q root && true", 1, ""),
        ("false | true && cat < /etc/passwd | grep -q nobodyhere | cat", 0, ""),
        ("echo a > /nope/f", 1, "sh: can't create /nope/f: nonexistent directory\n"),
        ("echo a > /tmp", 1, "sh: can't create /tmp: Is a directory\n"),
        ("cd /nope", 2, "sh: cd: line 0: can't cd to /nope: No such file or directory\n"),
        ("set -u; echo $x", 2, "sh: x: parameter not set\n"),
        ("echo ${x:?}; echo no", 2, "sh: x: parameter null or not set\n"),
        ("echo ${x:?is needed}", 2, "sh: x: is needed\n"),
        ("readonly x=1; x=2; echo no", 2, "sh: x: is read only\n"),
        ("echo $((1/0))", 2, "sh: divide by zero\n"),
        ("[ a -eq 1 ]", 2, "sh: a: bad number\n"),
        ("[ a = b", 2, "sh: [: missing ]\n"),
        ("kill 4242", 1, "sh: kill: can't kill pid 4242: No such process\n"),
        ("if true", 2, 'sh: syntax error: unexpected end of file (expecting "then")\n'),
        ("echo a; ; b", 2, 'sh: syntax error: unexpected ";"\n'),
        ("echo )", 2, 'sh: syntax error: unexpected ")"\n'),
        ("done", 2, 'sh: syntax error: unexpected "done"\n'),
        ("for i in a; do echo $i", 2, 'sh: syntax error: unexpected end of file (expecting "done")\n'),
        ('echo "abc', 2, "sh: syntax error: unterminated quoted string\n"),
        ("echo $(ls", 2, 'sh: syntax error: unexpected end of file (expecting ")")\n'),
        ("{ echo a", 2, 'sh: syntax error: unexpected end of file (expecting "}")\n'),
        ("a && | b", 2, 'sh: syntax error: unexpected "|"\n'),
        ("x=(a b)", 2, 'sh: syntax error: unexpected "("\n'),
    ],
)
async def test_errors(pod, script, status, err):
    result = await pod().sh(script)
    assert (result.status, result.err) == (status, err)


async def test_a_script_names_itself_and_the_line(pod):
    own = pod()
    own.fs.write_bytes("/s", b"#!/bin/sh\necho $0 $1 $#\nnosuch\ncd /nope\nexit 4\n")
    own.fs.chmod("/s", 0o755)
    assert tuple(await own.sh("/s one two")) == (
        4,
        "/s one 2\n",
        "/s: line 3: nosuch: not found\n/s: cd: line 4: can't cd to /nope: No such file or directory\n",
    )
    assert tuple(await own.run("sh", "/nope")) == (2, "", "sh: can't open '/nope': No such file or directory\n")


async def test_what_precedes_a_syntax_error_in_a_script_runs(pod):
    own = pod()
    own.fs.write_bytes("/s", b"echo one\nif then\n")
    result = await own.run("sh", "/s")
    assert (result.status, result.out) == (2, "one\n")


async def test_commands_from_standard_input_share_it(pod):
    result = await pod().run(
        "sh", stdin=b"read x\ndata here\necho got $x\nfor i in 1 2\ndo echo $i\ndone\ncat <<E\nbody\nE\n"
    )
    assert tuple(result) == (0, "got data here\n1\n2\nbody\n", "")


async def test_the_trap_of_the_recorded_pods_reacts_at_once(pod):
    running = pod().start("sh", "-c", 'trap "exit 0" TERM; echo up; sleep 3600 & wait')
    await running.says("up")
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 0


async def test_a_shell_that_is_init_outlives_a_term_it_has_no_trap_for(pod):
    own = pod()
    running = own.start("sh", "-c", "while true; do sleep 1; done")
    await asyncio.sleep(0)
    running.process.signal(signal.SIGTERM)
    assert (await own.sh("kill -0 1 && echo alive")).out == "alive\n"
    running.process.signal(signal.SIGKILL)
    assert (await running.ended()).status == 137


async def test_a_shell_that_is_not_init_dies_of_term(pod):
    own = pod()
    init = own.start("sleep", "100000")
    running = own.start("sh", "-c", "echo up; while :; do :; done")
    await running.says("up")
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 143
    init.process.signal(signal.SIGKILL)


async def test_a_busy_loop_lets_others_run(pod):
    own = pod()
    busy = own.start("sh", "-c", "while :; do :; done")
    assert (await own.sh("echo here")).out == "here\n"
    busy.process.signal(signal.SIGKILL)


async def test_the_last_command_of_a_script_takes_the_shell_s_place(pod):
    own = pod()
    running = own.start("sh", "-c", "echo up; sleep 100000")
    await running.says("up")
    assert "sleep 100000" in (await own.sh("ps")).out
    assert "sh -c echo up" not in (await own.sh("ps")).out
    running.process.signal(signal.SIGKILL)


async def test_a_reader_that_leaves_ends_its_writer(pod):
    assert tuple(await pod().sh("yes | head -2; set -o pipefail; yes | head -1; echo $?")) == (0, "y\ny\ny\n141\n", "")


async def test_a_pipe_stays_open_while_a_background_job_holds_it(pod):
    result = await pod().sh("(echo first; (sleep 2; echo late) &) | cat")
    assert result.out == "first\nlate\n"


async def test_pipes_run_at_the_same_time(pod):
    own = pod()
    own.fs.mkdir("/x")
    result = await own.sh(
        "while [ ! -e /x/stop ]; do echo tick; done | while read l; do touch /x/stop; done; echo done"
    )
    assert result.out == "done\n"


async def test_large_data_through_a_pipe_keeps_its_length(pod):
    assert (await pod().sh("dd if=/dev/zero bs=1k count=300 2>/dev/null | cat | wc -c")).out == "307200\n"


async def test_environment_and_arguments(pod):
    result = await pod().sh('echo $A "$B"; env | grep -c "^A="; unset A; env | grep -c "^A="', A="1", B="x  y")
    assert result.out == "1 x  y\n1\n0\n"


class Screen(Channel):
    """What a terminal shows."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    async def write(self, data: bytes) -> None:
        self.text += data.decode().replace("\r\n", "\n")

    async def shows(self, text: str) -> None:
        async with asyncio.timeout(20):
            while not self.text.endswith(text):  # noqa: ASYNC110
                await asyncio.sleep(0)


@pytest.fixture
async def at_terminal(pod):
    """An interactive shell in a pod: the keyboard, the screen, the shell's process, the pod."""
    terminals = []

    def start(image="docker.io/library/busybox:1.36", *argv, **env):
        own = pod(image)
        keyboard, screen = Channel(), Screen()
        terminal = Terminal(keyboard, screen)
        terminals.append(terminal)
        argv = argv or ("sh",)
        found = own.namespace.executable(list(argv))
        own.start("sleep", "1000000")
        process = own.namespace.spawn(
            found.main,
            found.argv,
            env={"PATH": "/bin:/usr/bin", "HOME": "/root", **env},
            fds={0: terminal, 1: terminal, 2: terminal},
        )
        terminal.foreground = ProcessGroup(own.namespace, process.group)
        terminal.start()
        return keyboard, screen, process, own

    yield start
    for terminal in terminals:
        terminal.close()


async def test_the_terminal_prompts_and_survives_errors(at_terminal):
    keyboard, screen, process, _ = at_terminal()
    await keyboard.write(b"cd /tmp\necho hi\nnosuch\necho ${x:?gone}\nif true\nthen echo two\nfi\nexit 3\n")
    assert await process.wait() == 3
    assert screen.text.startswith("/ # ")
    for line in ("hi\n/tmp # nosuch\nsh: nosuch: not found\n", "sh: x: gone\n", "\n> then echo two\n> fi\ntwo\n"):
        assert line in screen.text


async def test_a_line_is_edited_and_remembered(at_terminal):
    keyboard, screen, process, own = at_terminal()
    await keyboard.write(b"echo wrld\x1b[D\x1b[D\x1b[Do\r")
    await screen.shows("\nworld\n/ # ")
    await keyboard.write(b"\x1b[A\x7f\x7f!\r")
    await screen.shows("\nwor!\n/ # ")
    await keyboard.write(b"history\r")
    await screen.shows("   0 echo world\n   1 echo wor!\n   2 history\n/ # ")
    await keyboard.write(b"\x04")
    assert await process.wait() == 0
    assert own.fs.read_bytes("/root/.ash_history") == b"echo world\necho wor!\nhistory\n"


async def test_tab_completes_commands_and_files(at_terminal):
    keyboard, screen, _, own = at_terminal()
    own.fs.mkdir("/data")
    own.fs.write_bytes("/data/a file", b"found\n")
    await keyboard.write(b"sha256\t/da\ta\t\r")
    await screen.shows("/data/a file\n/ # ")
    await keyboard.write(b"ch\t\t")
    await screen.shows("\n/ # ch")
    assert "\nchdir   chgrp   chmod   chown\n" in screen.text


async def test_control_c_ends_the_job_and_not_the_shell(at_terminal):
    keyboard, screen, process, _ = at_terminal()
    await screen.shows("/ # ")
    for command in ("sleep 100000", "while :; do sleep 100000; done", "while :; do :; done", "(sleep 100000)",
                    "sleep 100000 | cat", "read x", "wait", "cat"):  # fmt: skip
        if command == "wait":
            await keyboard.write(b"sleep 100000 &\r")
            await screen.shows("&\n/ # ")
        await keyboard.write(command.encode() + b"\r")
        await screen.shows(command + "\n")
        for _ in range(50):
            await asyncio.sleep(0)
        await keyboard.write(b"\x03")
        await screen.shows("^C\n/ # ")
        await keyboard.write(b"echo $?\r")
        await screen.shows("echo $?\n130\n/ # ")
    await keyboard.write(b"half\x03")
    await screen.shows("half^C\n/ # ")
    await keyboard.write(b"kill %1; wait; echo over\r")
    await screen.shows("\nover\n/ # ")
    await keyboard.write(b"exit 4\r")
    assert await process.wait() == 4


async def test_a_job_ends_and_is_told_of_before_the_prompt(at_terminal):
    keyboard, screen, _, own = at_terminal()
    await keyboard.write(b"while [ ! -e /stop ]; do :; done &\r")
    await screen.shows("&\n/ # ")
    own.fs.write_bytes("/stop", b"")
    await keyboard.write(b"wait; echo $?\r")
    await screen.shows("0\n/ # ")
    await keyboard.write(b"true | false & p=$!; while kill -0 $p 2>/dev/null; do :; done\r")
    await screen.shows("[1]+  Done(1)                    true | false\n/ # ")


async def test_a_shell_without_a_terminal_s_user_is_as_it_was(at_terminal):
    keyboard, screen, process, _ = at_terminal("docker.io/library/busybox:1.36", "sh", "-c", "sleep 100000; echo no")
    for _ in range(50):
        await asyncio.sleep(0)
    await keyboard.write(b"\x03")
    assert await process.wait() == 130
    assert screen.text == "^C"


@pytest.mark.parametrize(("shell", "prompt"), [("sh", "# "), ("bash", "root@pod:/# ")])
async def test_debian_s_prompts(at_terminal, shell, prompt):
    _, screen, _, _ = at_terminal("docker.io/library/nginx:1.27", shell)
    await screen.shows(prompt)
    assert screen.text == prompt


async def test_what_is_pasted_leaves_others_their_turns(at_terminal, monkeypatch):
    """A megabyte pasted at a prompt stopped the API server for 18 seconds."""
    monkeypatch.setattr(rounds, "_ROUND", -1.0)
    keyboard, screen, _, _ = at_terminal()
    await screen.shows("# ")
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await keyboard.write(b"a" * 70)
    await screen.shows("a" * 70)
    counting.cancel()
    assert turns >= 70


async def test_a_command_over_several_lines_has_an_end(at_terminal, monkeypatch):
    monkeypatch.setattr(interactive, "_LONGEST", 300)
    keyboard, screen, process, _ = at_terminal()
    await keyboard.write(b"cat <<X\n" + (b"a" * 99 + b"\n") * 3)
    await screen.shows("put it into a file\n/ # ")
    await keyboard.write(b"exit 4\n")
    assert await process.wait() == 4


async def test_tab_looks_at_no_endless_number_of_names(at_terminal, monkeypatch):
    monkeypatch.setattr(interactive, "_LOOKED_AT", 1)
    keyboard, screen, _, own = at_terminal()
    for name in ("/big", "/big/a1", "/big/a2"):
        own.fs.mkdir(name)
    await screen.shows("# ")
    await keyboard.write(b"ls /big/\t\t\t")
    await screen.shows("\n/ # ls /big/a")  # the line again, below the list: before there is one it ends so, too
    listed = screen.text.split()
    assert ("a1/" in listed) + ("a2/" in listed) == 1
