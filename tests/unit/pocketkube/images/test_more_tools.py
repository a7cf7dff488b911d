"""Tools beyond the first need: text in other shapes, what is mounted, who runs, the terminal's settings."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("script", "out"),
    [
        ("printf 'a\\nb\\nc\\n' > 1; printf 'b\\nc\\nd\\n' > 2; comm 1 2", "a\n\t\tb\n\t\tc\n\td\n"),
        ("printf 'a\\nb\\n' > 1; printf 'b\\nc\\n' > 2; comm -12 1 2; comm -3 1 2", "b\na\n\tc\n"),
        ("echo the quick brown fox | fold -w 10; echo the quick brown | fold -sw 8",
         "the quick \nbrown fox\nthe \nquick \nbrown\n"),
        ("printf 'a\\tb\\n' | expand; printf '        a\\n' | unexpand", "a       b\n\ta\n"),
        ("seq 5 | shuf | sort | tr '\\n' ' '; shuf -i 1-3 -n 2 | wc -l", "1 2 3 4 5 2\n"),
        ("seq 10 | split -l 4; ls x*; cat xac; printf abcde | split -b 2 - y; cat yab", "xaa\nxab\nxac\n9\n10\ncd"),
        ("echo hello world this is | xxd; echo hi | xxd -p | xxd -r -p",
         "00000000: 6865 6c6c 6f20 776f 726c 6420 7468 6973  hello world this\n"
         "00000010: 2069 730a                                 is.\nhi\n"),
        ("printf 'a\\r\\nb\\r\\n' > w; dos2unix w; cat w; printf 'a\\n' | unix2dos | od -An -tx1", "a\nb\n 61 0d 0a\n"),
        ("mountpoint /proc; mountpoint -q /tmp; echo $?", "/proc is a mountpoint\n1\n"),
        ("mount -t cgroup2; mount -t nfs; mount x /y || echo $?",
         "cgroup on /sys/fs/cgroup type cgroup2 (ro,nosuid,nodev,noexec,relatime)\n1\n"),
        ("fallocate -l 1M big; stat -c %s big; fallocate -o 1M -l 1K big; stat -c %s big", "1048576\n1049600\n"),
        ("mkdir -p t/u; touch t/u/f t/g; tree t", "t\n├── g\n└── u\n    └── f\n\n1 directories, 2 files\n"),
        ("flock l echo locked; flock l -c 'echo a; echo b'; groups", "locked\na\nb\nroot\n"),
        ("flock l sleep 1000 & until [ -e l ] && ! flock -n l true; do :; done; kill $!; echo k", "k\n"),
        ("sleep 1234 & until pgrep -f '^sleep 12'; do :; done; echo $!; pkill -f '^sleep 12'; wait $!; echo $?", None),
        ("ln -s a l; unlink l; echo x > w; link w w2; cat w2; stty; who", "x\nUSER\t\tTTY\t\tIDLE\tTIME\t\t HOST\n"),
    ],
)  # fmt: skip
async def test_output(pod, script, out):
    own = pod()
    own.start("sleep", "1000000")
    own.fs.mkdir("/w")
    ran = await own.sh(f"cd /w; {script}")
    if out is None:
        first, second, status = ran.out.split()
        assert (first, status) == (second, "143")
    else:
        assert ran.out == out, ran.err


async def test_long_lines_take_no_more_memory_than_they_should(pod):
    own = pod()
    ran = await own.sh("yes '' | tr '\\n' '\\t' | head -c 2000000 | expand -t 1000")
    assert (ran.status, ran.err) == (1, "expand: out of memory\n")
