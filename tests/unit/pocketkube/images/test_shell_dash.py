# ruff: noqa: E501
"""The shell against dash, where there is one: same script, same output, same status."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
"""One place for all examples, and a busy machine makes them slowly."""

DASH = shutil.which("dash")
needs_dash = pytest.mark.skipif(DASH is None, reason="no dash on this machine to compare with")

SCRIPTS = r"""
echo hello world
a=1 b="x  y" ; echo $a "$b" $b '$a' \$a
set -- one "two three" four; for i in "$@"; do echo "[$i]"; done; for i in $@; do echo "<$i>"; done; echo "$*" $#
set -- a b; IFS=,; echo "$*"; echo $*
IFS=:; x=a:b::c:; for i in $x; do echo "[$i]"; done
IFS=' :'; x=' a : b :: c '; for i in $x; do echo "[$i]"; done
x='a  b'; echo "${x}" ${x} '' "$x"'c'd
echo ${u-default} ${u:-other} "${u:-a  b}" ${u:+never} ${u+never}; u=; echo "[${u-default}]" ${u:-empty} [${u+set}] [${u:+no}]
echo ${v:=assigned} $v; x=/usr/local/lib/file.tar.gz; echo ${x#*/} ${x##*/} ${x%.*} ${x%%.*} ${#x}
x=abc; echo ${x#a} ${x%c} ${x#"a*"} ${x#?} ${x%[bc]} "${x#'a'}"
x='*'; echo "$x" ; case "$x" in '*') echo star;; esac; case abc in a*) echo prefix;; *) echo no;; esac
case x in a|b) echo 1;; x|y) echo 2;; *) echo 3;; esac; case foo in [!f]*) echo no;; f??) echo yes;; esac
echo $((1+2*3)) $(( (1+2)*3 )) $((7/2)) $((7%3)) $((-7/2)) $((1<<4)) $((5&3|8)) $((1==1&&2>3)) $((!0)) $((~5))
i=5; echo $((i+1)) $((i*=2)) $i $((i>3?10:20)) $((0x1f)) $((010))
i=0; while [ $i -lt 5 ]; do i=$((i+1)); [ $i -eq 2 ] && continue; [ $i -eq 4 ] && break; echo $i; done; echo end $i
for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done
for i in 1 2 3; do for j in a b; do [ $i = 2 ] && break 2; echo $i$j; done; done
until false; do echo once; break; done; until [ "${n:-0}" -ge 2 ]; do n=$((${n:-0}+1)); done; echo $n
if true; then echo t; else echo f; fi; if false; then echo t; elif true; then echo e; else echo f; fi; if false; then :; fi; echo $?
f() { echo "$1-$#"; return 3; }; f x y; echo $?; f; set -- keep; f z >/dev/null; echo $1
f() { local a=1; a=2; g; echo $a; }; g() { echo g$a; a=3; }; a=0; f; echo $a
true && echo and || echo or; false && echo and || echo or; ! true; echo $?; ! false && echo neg
(exit 7); echo $?; x=1; (x=2; echo $x); echo $x; { x=3; echo $x; }; echo $x
echo a | cat | tr a b; echo x | (read y; echo got $y); printf '1\n2\n' | while read l; do echo "<$l>"; done
x=$(echo a; echo b); echo "$x" $x; echo `echo back \`echo tick\``; echo "$(echo "in $(echo "deep")")"
x=$(printf 'a\n\n\n'); echo "[$x]"; echo "$(exit 4)" $?; x=$(exit 5); echo $?
cat <<EOF; echo after
a $((1+1)) $(echo sub) \$x "q" 'q' \\
EOF
x=v; cat <<'EOF'
raw $x $(no) \
EOF
cat <<-EOF
	stripped
		twice
	EOF
cat <<A; cat <<B
first
A
second
B
while read a b; do echo "$b,$a"; done <<EOF
1 2 3
4
EOF
echo out; echo err >&2; echo both 2>&1 >/dev/null; { echo x; echo y >&2; } 2>&1 | sort
echo one > f; echo two >> f; cat < f; wc -l < f | tr -d ' '; > f; cat f; echo $?
exec 3> f; echo three >&3; exec 3>&-; cat f; exec 4< f; read x <&4; echo $x
cat nope 2>/dev/null || echo missing
set -e; false || true; if false; then :; fi; echo still; false; echo never
set -e; f() { false; echo in; }; f || echo caught; ! true; echo end
set -u; echo ${x-ok}; (echo $x) 2>/dev/null; echo $?
trap 'echo bye' EXIT; echo hi; exit 3
trap 'echo int' INT; kill -INT $$; echo after; trap - INT; trap 'echo usr' USR1; (kill -USR1 $$); sleep 0.01; echo end
sleep 0.01 & wait $!; echo $?; (exit 9) & wait $!; echo $?; wait; echo $?
sleep 10 & p=$!; kill $p; wait $p; echo $?
eval 'x=1; echo $x'; cmd=echo; $cmd hi; eval echo '$x'
x=5; readonly x; echo $x; unset y; y=1; unset y; echo ${y-gone}
export A=1; sh -c 'echo $A'; B=2 sh -c 'echo $B'; echo ${B-unset}
set -- a b c; shift; echo $1 $#; shift 2; echo $#; set -- ; echo "[$@]" $#
while getopts ab:c o; do echo $o $OPTARG; done; echo $OPTIND
set -- -a -b val -c rest; while getopts ab:c o; do echo "$o ${OPTARG-}"; done; shift $((OPTIND-1)); echo $1
printf '%s %d %5s|%-5s|%05d %x %c %%\n' str 42 r l 7 255 char; printf '%s\n' a b c; printf 'no newline'
printf '%b' 'a\tb\n'; printf '%s-%s\n' a b c; printf '%.2f\n' 3.14159; printf '\101\n'
echo *.none; touch a1 a2 b1; echo a* [ab]1 ?2 *; echo "a*" 'a*' a\*; x='a*'; echo $x "$x"; set -f; echo a*
mkdir -p d/e; touch d/e/f d/.hid; echo d/* d/*/* d/.h*
[ a = a ] && echo 1; [ a != b ] && echo 2; [ -n "" ] || echo 3; [ -z "" ] && echo 4; [ 1 -lt 2 -a 2 -gt 1 ] && echo 5
touch f; mkdir d; [ -f f ] && [ -d d ] && [ -e d ] && [ ! -e x ] && echo files; [ -s f ] || echo empty; test -r f && echo readable
[ "" ] || echo e; [ x ] && echo x; [ ! x ] || echo nx; [ \( a = b \) -o c = c ] && echo paren; [ -f ] && echo f
read a b c <<EOF
one two three four
EOF
echo "$a|$b|$c"; printf '%s\n' 'back\slash' | { read x; echo "$x"; }; printf '%s\n' 'back\slash' | { read -r x; echo "$x"; }
printf 'a b' | { read x; echo "$? $x"; }; printf '  lead trail  \n' | { read x; echo "[$x]"; }; echo a,b,c | { IFS=, read x y; echo "$x $y"; }
type_ok() { command -v echo; command -v type_ok; command -v nosuch; echo $?; }; type_ok
nosuch_command_x 2>/dev/null; echo $?; touch notexec; ./notexec 2>/dev/null; echo $?
cd /; pwd; cd /tmp && pwd; cd - >/dev/null; pwd; (cd /usr; pwd); pwd
a=1; a=2 b=$a; echo $a $b; c=$a$b"x"'y'; echo $c; d= ; echo "[$d]"
x="multi
line"; echo "$x"; echo $x; echo a\
b; echo "a\
b"
f() (cd /; x=inner; echo sub); x=outer; f; echo $x; f2() { echo "$@"; }; f2 "a b" c | tr ' ' _
echo $0 | tr -d '\n' | wc -c | grep -q . && echo ok; sh -c 'echo $0 $1 $#' name one two
: ${x:=1} && echo $x; : > f && echo made; true; echo $?; false; echo $?
n=0; for i in $(seq 1 100); do n=$((n+i)); done; echo $n
echo "a" "b"c'd'\e; echo "\\ \" \$ \`"; echo a''b; echo "" | wc -c | tr -d ' '
echo ~ | grep -c /; x=~/y; case $x in /*) echo abs;; esac; echo "~"
case "a b" in "a b") echo q;; esac; case $- in *x*) echo trace;; *) echo notrace;; esac
i=1; until [ $i -gt 3 ]; do case $i in 2) echo two;; *) echo $i;; esac; i=$((i+1)); done | sort -r
yes | head -3; seq 5 | tail -2 | sort -rn; echo b a c | tr ' ' '\n' | sort | tr '\n' ' '
x=a; y=x; eval "echo \$$y"; set -- 1 2 3; eval "echo \${$#}"
exit_code() { return $1; }; exit_code 5 || echo $?; exit_code 0 && echo fine
f() { for i in 1 2 3; do [ $i = 2 ] && return 8; echo $i; done; }; f; echo $?
echo 'single '"double $((2*2))"' mixed'; echo "nested ${u:-"quoted $((1+1))"}"
echo ${x:-`echo tick`} ${x:-$(echo dollar)} ${x:-${y:-deep}} "${x:-'kept'}"
( echo a; exit 3 ) | cat; echo $?; false | true; echo $?; true | false; echo $?
{ echo 1; echo 2; } > f; { read a; read b; } < f; echo $b $a; for i in a b; do echo $i; done > g; cat g
if [ "$(echo x)" = x ] && { true; }; then echo compound; fi; while :; do break; done; echo $?
umask 022; umask; umask 077; touch m; ls -l m | cut -c1-10
x=1; { x=2; } ; ( x=3 ); x=4 true; echo $x; x=5 : ; echo $x
kill -l 15; kill -0 $$ && echo alive; trap '' TERM; kill -TERM $$; echo survived
. ./lib.sh 2>/dev/null || echo nolib
""".strip("\n")


def split(text: str) -> list[str]:
    """One script a line; lines of here-documents and open quotes belong to the script before."""
    scripts: list[str] = []
    for line in text.split("\n"):
        pending = scripts[-1] if scripts else ""
        if scripts and subprocess_incomplete(pending):
            scripts[-1] += "\n" + line
        else:
            scripts.append(line)
    return scripts


def subprocess_incomplete(script: str) -> bool:
    """Whether a here-document or quote is still open, or the line goes on."""
    from pocketkube.images.shell.scanner import Scanner
    from pocketkube.images.shell.syntax import ShellSyntaxError

    scanner = Scanner(script)
    try:
        scanner.command("")
    except ShellSyntaxError:
        return True
    return scanner.unfinished or script.endswith("\\")


def dash(script: str, folder: str) -> tuple[int, str]:
    assert DASH is not None
    ran = subprocess.run(
        [DASH, "-c", script],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    return ran.returncode, ran.stdout.decode()


@needs_dash
@pytest.mark.parametrize("script", split(SCRIPTS))
async def test_as_dash(script, pod, tmp_path):
    expected = dash(script, str(tmp_path))
    own = pod()
    own.fs.mkdir("/work")
    process = own.start("sh", "-c", "read -r s; :", stdin=b"")
    await process.ended()
    ran = own.start("sleep", "10000")  # process 1: the shell under test is not init, as dash is not
    result = await own.run("sh", "-c", f"cd /work\n{script}")
    ran.process.signal(9)
    assert (result.status, result.out.replace("/work", str(tmp_path))) == expected, result.err


names = st.sampled_from(["a", "b", "c"])
texts = st.text(st.sampled_from("ab *?[]'\"\\$`{}#%~:=!-/\n\té"), max_size=8)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@given(st.lists(texts, max_size=4))
@settings(max_examples=60, suppress_health_check=PATIENT)
async def test_quoted_words_come_through_unchanged(pod_for_hypothesis, words):
    result = await pod_for_hypothesis().sh("printf '%s\\0' " + " ".join(map(quoted, words)) if words else "true")
    assert result.out.split("\0")[:-1] == words


@pytest.fixture
def pod_for_hypothesis(pod):
    own = pod()
    return lambda: own


@needs_dash
@given(texts, texts, st.sampled_from(["#", "##", "%", "%%"]))
@settings(max_examples=60, suppress_health_check=PATIENT)
async def test_trimming_as_dash(pod_for_hypothesis, tmp_path_factory, value, pattern, operator):
    script = f'x={quoted(value)}; p={quoted(pattern)}; printf \'[%s][%s]\' "${{x{operator}$p}}" "${{x{operator}"$p"}}"'
    if "[" in pattern or "\\" in pattern:
        return  # dash leaves to fnmatch what an open bracket or a backslash in a variable means
    if "?" in pattern and "é" in value:
        return  # dash counts bytes, and prints half a character where it cuts one
    expected = dash(script, str(tmp_path_factory.getbasetemp()))
    result = await pod_for_hypothesis().sh(script)
    assert (result.status, result.out) == expected


@needs_dash
@given(texts, st.sampled_from([" ", ":", ": ", "", "a"]))
@settings(max_examples=60, suppress_health_check=PATIENT)
async def test_splitting_as_dash(pod_for_hypothesis, tmp_path_factory, value, separators):
    script = f"set -f; IFS={quoted(separators)}; x={quoted(value)}; for i in $x; do printf '[%s]' \"$i\"; done"
    expected = dash(script, str(tmp_path_factory.getbasetemp()))
    result = await pod_for_hypothesis().sh(script)
    assert (result.status, result.out) == expected
