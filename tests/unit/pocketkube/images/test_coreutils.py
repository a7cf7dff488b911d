# ruff: noqa: E501
"""The coreutils: output and error texts as BusyBox 1.36 prints them."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from pocketkube.kubelet import cgroup


@pytest.mark.parametrize(
    ("script", "out"),
    [
        ("printf 'b 2\\na 1\\nc 10\\n' | sort", "a 1\nb 2\nc 10\n"),
        ("printf 'b 2\\na 1\\nc 10\\n' | sort -k2n", "a 1\nb 2\nc 10\n"),
        ("printf 'b 2\\na 1\\nc 10\\n' | sort -k2,2 -r", "b 2\nc 10\na 1\n"),
        ("printf '2\\n10\\n2\\n' | sort -nu", "2\n10\n"),
        ("printf 'b:3\\na:10\\n' | sort -t: -k2 -n", "b:3\na:10\n"),
        ("printf '1K\\n10\\n1M\\n' | sort -h", "10\n1K\n1M\n"),
        ("printf 'a\\na\\nb\\n' | uniq -c", "      2 a\n      1 b\n"),
        ("printf 'a\\na\\nb\\n' | uniq -d", "a\n"),
        ("echo a:b:c | cut -d: -f1,3", "a:c\n"),
        ("echo abcdef | cut -c2-4", "bcd\n"),
        ("echo a:b:c | cut -d: -f2-", "b:c\n"),
        ("echo hello | tr a-y b-z", "ifmmp\n"),
        ("echo aabbcc | tr -s b", "aabcc\n"),
        ("echo a1b2 | tr -d '0-9'", "ab\n"),
        ("echo a1b2 | tr -cd '[:alpha:]'; echo", "ab\n"),
        ("echo 'a b' | tr ' ' '\\n'", "a\nb\n"),
        ("seq 3", "1\n2\n3\n"),
        ("seq 2 2 6", "2\n4\n6\n"),
        ("seq -w 8 10", "08\n09\n10\n"),
        ("seq -s , 3", "1,2,3\n"),
        ("expr 1 + 2 \\* 3", "7\n"),
        ("expr abc : 'a\\(.\\)c'", "b\n"),
        ("expr length hello", "5\n"),
        ("printf 'a\\nb\\nc\\n' | head -n 2", "a\nb\n"),
        ("printf 'a\\nb\\nc\\n' | head -1", "a\n"),
        ("printf 'a\\nb\\nc\\n' | head -n -1", "a\nb\n"),
        ("printf 'a\\nb\\nc\\n' | tail -n 1", "c\n"),
        ("printf 'a\\nb\\nc\\n' | tail -n +2", "b\nc\n"),
        ("printf 'abcdef' | tail -c 2", "ef"),
        ("printf 'abcdef' | head -c 2", "ab"),
        ("printf 'a b\\nc\\n' | wc", "        2         3         6\n"),
        ("printf 'a b\\nc\\n' | wc -lw", "        2         3\n"),
        ("printf 'a\\n' | wc -l", "1\n"),
        ("echo abc | rev", "cba\n"),
        ("printf 'a\\nb\\n' | tac", "b\na\n"),
        ("printf 'a\\nb\\n' | nl", "     1\ta\n     2\tb\n"),
        ("printf 'x\\ty\\n' | cat -A", "x^Iy$\n"),
        ("printf 'a\\nb\\n' | cat -n", "     1\ta\n     2\tb\n"),
        ("seq 4 | paste -d, - -", "1,\n2,\n3,\n4,\n"),
        ("printf 'foo\\nbar\\nfood\\n' | grep foo", "foo\nfood\n"),
        ("printf 'foo\\nbar\\nfood\\n' | grep -v foo", "bar\n"),
        ("printf 'foo\\nbar\\nfood\\n' | grep -c foo", "2\n"),
        ("printf 'foo\\nbar\\nfood\\n' | grep -n -w foo", "1:foo\n"),
        ("printf 'foo\\nbar\\n' | grep -E '^(b|x)'", "bar\n"),
        ("printf 'foo\\nbar\\n' | grep -o 'o*'", "oo\n"),
        ("printf 'a.b\\naxb\\n' | grep -F a.b", "a.b\n"),
        ("printf 'FOO\\n' | grep -i foo", "FOO\n"),
        ("printf '1\\n2\\n3\\n' | grep -A1 1", "1\n2\n"),
        ("printf 'a+b\\nab\\n' | grep 'a+b'", "a+b\n"),
        ("printf 'aab\\n' | grep 'a\\{2\\}b'", "aab\n"),
        ("echo hello | sed s/l/L/", "heLlo\n"),
        ("echo hello | sed s/l/L/g", "heLLo\n"),
        ("echo hello | sed 's/l/L/2'", "helLo\n"),
        ("echo 'a b' | sed 's/\\(a\\) \\(b\\)/\\2 \\1/'", "b a\n"),
        ("echo abc | sed -E 's/(a)(b)/[\\2&]/'", "[bab]c\n"),
        ("seq 5 | sed -n '2,3p'", "2\n3\n"),
        ("seq 5 | sed '2,4d'", "1\n5\n"),
        ("seq 3 | sed '$d'", "1\n2\n"),
        ("seq 3 | sed '/2/!d'", "2\n"),
        ("seq 3 | sed -e 1d -e 's/3/x/'", "2\nx\n"),
        ("seq 2 | sed '1a\\\nmore'", "1\nmore\n2\n"),
        ("seq 2 | sed '1i less'", "less\n1\n2\n"),
        ("seq 3 | sed 2q", "1\n2\n"),
        ("seq 3 | sed -n '$='", "3\n"),
        ("seq 4 | sed 'N;s/\\n/-/'", "1-2\n3-4\n"),
        ("seq 3 | sed ':a;N;$!ba;s/\\n/,/g'", "1,2,3\n"),
        ("echo abc | sed y/abc/xyz/", "xyz\n"),
        ("printf 'a b\\nc d\\n' | xargs", "a b c d\n"),
        ("seq 3 | xargs -n1 echo n", "n 1\nn 2\nn 3\n"),
        ("printf 'a b\\nc\\n' | xargs -I{} echo [{}]", "[a b]\n[c]\n"),
        ("printf 'a\\0b c\\0' | xargs -0 -n1 echo", "a\nb c\n"),
        ("printf '\"x y\" z' | xargs -n1", "x y\nz\n"),
        ("basename /a/b.txt .txt; dirname /a/b.txt; dirname b", "b\n/a\n.\n"),
        ("printf abc | sha256sum", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n"),
        ("printf abc | md5sum", "900150983cd24fb0d6963f7d28e17f72  -\n"),
        ("printf hello | base64; printf aGVsbG8= | base64 -d; echo", "aGVsbG8=\nhello\n"),
        ("printf 'ab' | od -An -tx1; printf 'ab' | hexdump -C | head -1", " 61 62\n00000000  61 62"),
        ("echo -e 'a\\tb\\c ignored'", "a\tb"),
        ("echo -n x; echo -ne '\\x41\\n'", "xA\n"),
        ("date -d @0 +%Y-%m-%dT%H:%M:%SZ; date -u -d '2024-02-29' +%s", "1970-01-01T00:00:00Z\n1709164800\n"),
        ("id; id -u; id -un; id -G; whoami", "uid=0(root) gid=0(root) groups=0(root)\n0\nroot\n0\nroot\n"),
        ("timeout 1 sleep 100; echo $?; timeout 100 true; echo $?; timeout -s KILL 1 sleep 9; echo $?", "143\n0\n137\n"),
        ("env -i A=1 /usr/bin/env", "A=1\n"),
        ("A=1 printenv A", "1\n"),
        ("which sh; command -v cat", "/bin/sh\n/bin/cat\n"),
    ],
)  # fmt: skip
async def test_output(pod, script, out):
    result = await pod().sh(script)
    assert result.out.startswith(out) if "hexdump" in script else result.out == out, result.err


@pytest.mark.parametrize(
    ("script", "status", "err"),
    [
        ("ls /nope", 1, "ls: /nope: No such file or directory\n"),
        ("cat /nope", 1, "cat: can't open '/nope': No such file or directory\n"),
        ("cat /tmp", 1, "cat: read error: Is a directory\n"),
        ("rm /nope", 1, "rm: can't remove '/nope': No such file or directory\n"),
        ("rm /tmp", 1, "rm: '/tmp' is a directory\n"),
        ("rm -f /nope", 0, ""),
        ("rmdir /usr", 1, "rmdir: '/usr': Directory not empty\n"),
        ("mkdir /tmp", 1, "mkdir: can't create directory '/tmp': File exists\n"),
        ("mkdir /a/b", 1, "mkdir: can't create directory '/a/b': No such file or directory\n"),
        ("cp /nope /x", 1, "cp: can't stat '/nope': No such file or directory\n"),
        ("cp /tmp /x", 1, "cp: omitting directory '/tmp'\n"),
        ("mv /nope /x", 1, "mv: can't rename '/nope': No such file or directory\n"),
        ("touch /a/b", 1, "touch: /a/b: No such file or directory\n"),
        ("ln -s /x /tmp/y; ln -s /z /tmp/y", 1, "ln: /tmp/y: File exists\n"),
        ("head /nope", 1, "head: /nope: No such file or directory\n"),
        ("tail /nope", 1, "tail: can't open '/nope': No such file or directory\ntail: no files\n"),
        ("wc /nope", 1, "wc: /nope: No such file or directory\n"),
        ("sort /nope", 2, "sort: /nope: No such file or directory\n"),
        ("grep x /nope", 2, "grep: /nope: No such file or directory\n"),
        ("find /nope", 1, "find: /nope: No such file or directory\n"),
        ("stat /nope", 1, "stat: can't stat '/nope': No such file or directory\n"),
        ("sleep x", 1, "sleep: invalid number 'x'\n"),
        ("chmod q /tmp", 1, "chmod: invalid mode 'q'\n"),
        ("timeout 1 nosuch", 127, "timeout: can't execute 'nosuch': No such file or directory\n"),
        ("env nosuch", 127, "env: can't execute 'nosuch': No such file or directory\n"),
        ("expr 1 +", 2, "expr: syntax error\n"),
        ("df /nope", 1, "df: /nope: No such file or directory\n"),
        ("id nobody2", 1, "id: unknown user nobody2\n"),
        ("sed 's/a'", 1, "sed: unmatched '/'\n"),
        ("kill", 1, "sh: kill: you need to specify whom to kill\n"),
    ],
)
async def test_errors(pod, script, status, err):
    result = await pod().sh(script)
    assert (result.status, result.err) == (status, err)


async def test_files_change(pod):
    result = await pod().sh(
        "mkdir -p /d/e; echo one > /d/f; cp /d/f /d/g; mv /d/g /d/e; cp -r /d /c; ln -s f /d/l; rm -r /d/e;"
        "find /c /d | sort; readlink /d/l; cat /d/l; chmod 600 /d/f; stat -c '%a %A %F %s %U' /d/f; stat -c %N /d/l;"
        "truncate -s 10 /d/f; wc -c < /d/f; test -L /d/l && echo link"
    )
    assert result.out == (
        "/c\n/c/e\n/c/e/g\n/c/f\n/d\n/d/f\n/d/l\nf\none\n600 -rw------- regular file 4 root\n'/d/l' -> 'f'\n10\nlink\n"
    )


async def test_find_tests_and_actions(pod):
    result = await pod().sh(
        "mkdir -p /d/e; echo x > /d/a.txt; > /d/e/b.log; cd /d; find . -name '*.txt'; find . -type d; find . -size 0 -type f;"
        "find . -maxdepth 1 ! -name . ! -name e; find . -type f -exec echo got {} +; find . -name '*.log' -delete; find ."
    )
    assert result.out == "./a.txt\n.\n./e\n./e/b.log\n./a.txt\ngot ./a.txt ./e/b.log\n.\n./a.txt\n./e\n"


async def test_find_follows_links_where_it_is_told_to(pod):
    result = await pod().sh(
        "mkdir -p /d/..data; echo x > /d/..data/key; ln -s ..data/key /d/key; ln -s /d /d/..data/up; ln -s /no /d/broken;"
        "ln -s /d /e; cd /d; find . -type f | sort; echo -L; find -L . -type f | sort; find -L . -type l;"
        "echo -H; find -H /e -type f; find /e -type f; echo; find -L . -name key | wc -l"
    )
    assert result.out == "./..data/key\n-L\n./..data/key\n./key\n./broken\n-H\n/e/..data/key\n\n2\n"


async def test_a_long_listing(pod):
    own = pod()
    await own.sh("mkdir /d; echo hello > /d/f; chmod 640 /d/f; ln -s f /d/l; touch -d '2020-01-02 03:04:05' /d/f")
    assert (await own.sh("ls -l /d")).out.splitlines()[1] == (
        "-rw-r-----    1 root     root             6 Jan  2  2020 f"
    )
    assert (await own.sh("ls -l /d")).out.splitlines()[2].endswith(" l -> f")
    assert (await own.sh("ls -a /d; ls -F /d")).out == ".\n..\nf\nl\nf\nl@\n"


async def test_sed_in_place_keeps_a_copy(pod):
    result = await pod().sh("echo a > /f; sed -i.bak s/a/b/ /f; cat /f /f.bak")
    assert result.out == "b\na\n"


async def test_a_checksum_needs_no_memory_for_the_file(pod, monkeypatch):
    monkeypatch.setattr(cgroup, "POD_MEMORY", 1 << 20)
    ran = await pod().sh(
        "head -c 3000000 /dev/zero > big; sha256sum big > sums; sha256sum -c sums; cat sums; echo x >> big; sha256sum -c sums"
    )
    digest = hashlib.sha256(bytes(3_000_000)).hexdigest()
    assert ran.out == f"big: OK\n{digest}  big\nbig: FAILED\n"
    assert ran.err == "sha256sum: WARNING: 1 of 1 computed checksums did NOT match\n"


async def test_tail_follows(pod):
    own = pod()
    await own.sh("echo one > /f")
    running = own.start("tail", "-f", "/f")
    await running.says("one")
    await own.sh("echo two >> /f")
    await running.says("two")
    running.process.signal(9)
    assert (await running.ended()).out == "one\ntwo\n"


async def test_tar_carries_files_both_ways(pod):
    own = pod()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("dir/f.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"hello"))
    assert (await own.run("tar", "-xmf", "-", "-C", "/tmp", stdin=buffer.getvalue())).status == 0
    assert own.fs.read_bytes("/tmp/dir/f.txt") == b"hello"
    packed = await own.run("tar", "cf", "-", "/tmp/dir")
    assert (packed.status, packed.err) == (0, "tar: removing leading '/' from member names\n")
    with tarfile.open(fileobj=io.BytesIO(packed.out.encode("utf-8", "surrogateescape"))) as archive:
        assert archive.getnames() == ["tmp/dir", "tmp/dir/f.txt"]
    missing = await own.run("tar", "cf", "-", "/nope")
    assert missing.err.startswith("tar: /nope: No such file or directory\n")


async def test_ps_shows_the_processes_of_the_container(pod):
    own = pod()
    init = own.start("sleep", "100000")
    result = await own.run("ps", "-Aww", "-o", "pid,ppid,comm,args")
    assert result.out.splitlines()[:2] == [
        "  PID  PPID COMMAND          COMMAND",
        "    1     0 sleep            sleep 100000",
    ]
    assert (await own.sh("pidof sleep")).out == "1\n"
    init.process.signal(9)


async def test_dd_counts_records(pod):
    result = await pod().sh("dd if=/dev/zero of=/z bs=1k count=3; wc -c < /z")
    assert result.out == "3072\n"
    assert result.err.startswith("3+0 records in\n3+0 records out\n3072 bytes (3.0KB) copied, ")


async def test_a_full_device_is_told(pod):
    result = await pod().sh("dd if=/dev/zero of=/dev/full bs=1k count=1")
    assert result.status == 1
    assert "No space left on device" in result.err


async def test_what_testinfra_asks_of_a_pod(pod):
    own = pod("registry.k8s.io/e2e-test-images/agnhost:2.63.0")
    own.fs.mkdir("/d")
    own.fs.write_bytes("/d/x", b"")
    assert (await own.sh("ls -1 -q -- /d")).out == "x\n"
    assert (await own.sh("getent shadow root")).out == "root:*::0:::::\n"
    addresses = (await own.sh("ip -f inet addr show eth0")).out
    assert " inet 10.244." in addresses
    assert "inet6" not in (await own.sh("ip -4 addr")).out
    links = (await own.sh("ip -o link show")).out.splitlines()
    assert [line.strip().split(": ", 2)[1].split("@", 1)[0] for line in links] == ["lo", "eth0"]
    assert tuple(await own.sh("ip link show eth9")) == (1, "", "ip: can't find device 'eth9'\n")
    assert (await own.sh("ip --json link show eth0")).status == 1
