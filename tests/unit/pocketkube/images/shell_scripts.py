"""Random shell scripts: everything ash and dash agree on, put together at random.

`python -m tests.unit.pocketkube.images.shell_scripts` writes `shell_recorded.jsonl` anew: what dash says to the first
scripts, for machines without a dash. Left out is what they differ in: backslashes of echo, a failed redirection's
status, `$((` of a nested subshell, endless recursion.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from pathlib import Path

RECORDED = Path(__file__).with_name("shell_recorded.jsonl")
COUNT = 150
"""Scripts that are recorded."""
NAMES = ("a", "b", "c", "x", "y")


def listed(text: str) -> list[str]:
    return text.split()


TEXTS = ["", "two words", " lead trail ", "a  b", *listed(r"one a:b::c: * a*b x=y 0 7 -n ~ \\ /usr/lib/f.tar.gz $ 'q'")]
PATTERNS = listed(r"""* ? a* *b [a-c]* [!a]* *.* /* */ one "*" 'a'* ${x} $y [[:alpha:]]* \* *[0-9] o?e [a"-"c]*""")
OPERATORS = listed("+ - * / % << < > <= >= == != & | ^ && ||")
FORMATS = listed(r"[%s]\n %s-%s\n %d|%5s|%-3s|\n %b\n %x~%o\n %c%c\n %%\t%s\n %05d.\n %.2s|\n")
QUOTED = r"""
a b
x$x
\$x
\"q\"
's'
${y:-"in"}
${u:-'k'}
\a
""".strip().split("\n")
TESTS = """
-f f
-d .
-e nope
-s f
a
''
a -a ''
a -o ''
! -f f
'(' a ')'
-n
= = =
1 -eq 1 -a 2 -eq 2
'!' = '!'
""".strip().split("\n")
REDIRECTIONS = """
>o
>>o
2>&1
</dev/null
>/dev/null 2>&1
2>/dev/null >o
>&2
3>p >&3
2>&1 >/dev/null
1>&2 2>p
3<>q >&3
""".strip().split("\n")
LINES = r"""
plain
$x and ${y:-z}
`echo tick`
$(show in)
\$x \\ \a
$((1+i))
'q' "d"

${u:-"dq"}
* ~
"$x"
""".strip().split("\n")
PRELUDE = """\
ifs0=$IFS; i=3; j=-2; x=one y='a:b c'
show() { printf '<%s>' $# "$@"; echo; }
st() { return $1; }
f0() { show f0 "$@"; }
say() { printf "$@" 2>/dev/null; }
f1() { local a; a=$1; show "$a" "$2"; return 2; }
f2() { for z; do show "$z"; done; }
echo file > f
"""
CODA = 'IFS=$ifs0; show "$a" "$b" "$c" "$x" "$y" "$i" "$*"\n'


class Writer:
    """Writes one script, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def script(self) -> str:
        body = [self.command(3) for _ in range(self.random.randrange(1, 4))]
        return PRELUDE + "".join(text.rstrip("\n") + '\nshow "?$?"\n' for text in body) + CODA

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def below(self, limit: int) -> int:
        return self.random.randrange(limit)

    def name(self) -> str:
        return self.one(*NAMES)

    def literal(self) -> str:
        if self.below(2):
            return self.one("one", "two", "a", "b", "3", "10", "foo.bar")
        return quoted(self.one(*TEXTS))

    def pattern(self) -> str:
        return self.one(*PATTERNS)

    def parameter(self, depth: int) -> str:
        name = self.one(*NAMES, "1", "2", "@", "*", "#", "?", "u")
        if name in "#?" or self.below(3) == 0 or (name in "@*" and self.below(3) == 0):
            return "$" + name
        text = self.word(depth - 1) if depth > 0 else "w"
        trimmed = "x" if name in "@*" else name
        return self.one(
            f"${{{name}:-{text}}}",
            f"${{{name}-{text}}}",
            f"${{{name}:+{text}}}",
            f"${{{name}+{text}}}",
            f"${{{'v' if name in '12@*' else name}:={text}}}",
            f"${{#{trimmed}}}",
            f"${{{trimmed}%{self.pattern()}}}",
            f"${{{trimmed}%%{self.pattern()}}}",
            f"${{{trimmed}#{self.pattern()}}}",
            f"${{{trimmed}##{self.pattern()}}}",
        )

    def arithmetic(self, depth: int) -> str:
        if depth <= 0 or self.below(10) < 3:
            return self.one("1", "2", "7", "0", "010", "0x1f", "i", "j", "$i", "${j}", "-3", "k")
        left, right, third = (self.arithmetic(depth - 1) for _ in range(3))
        operator = self.one(*OPERATORS)
        return self.one(
            f"{left} {operator} {right}",
            f"{left} {operator} {right}",
            f"({left}) {self.one('+', '*', '-')} {right}",
            f"{self.one('!', '~', '-', '+')} {left}",
            f"{left}?({right}):({third})",
            f"({self.one('i', 'j')}{self.one('=', '+=', '-=', '*=', '|=')}{left})",
            f"$(({left}))",
        )

    def word(self, depth: int) -> str:
        match self.below(14):
            case 0 | 1 | 2 | 3:
                return self.literal()
            case 4 | 5:
                return self.parameter(depth)
            case 6 | 7:
                return f'"{self.parameter(depth)}"'
            case 8 if depth > 0:
                return f"$( {self.command(depth - 1, inner=True)})"
            case 9 if depth > 0:
                return f'"$( {self.command(depth - 1, inner=True)})"'
            case 10:
                return f"$(({self.arithmetic(2)}))"
            case 11 if depth > 0:
                return self.word(depth - 1) + self.word(depth - 1)
            case 12:
                return f'"{self.one(*QUOTED)}"'
        return self.one("pre", "-x") + self.parameter(depth)

    def words(self, depth: int) -> str:
        return " ".join(self.word(depth) for _ in range(self.below(4)))

    def operand(self) -> str:
        # "$@" gives several operands, and errors in words of each shell's own
        return f'"{self.parameter(1)}"'.replace("@", "*") if self.below(2) else self.literal()

    def simple(self, depth: int) -> str:
        match self.below(22):
            case 0:
                return f"{self.name()}={self.word(depth)}"
            case 1:
                return f'{self.name()}={self.word(depth)} show "${self.name()}"'
            case 2:
                return f"set -- {self.words(depth)}"
            case 3:
                return f"[ {self.operand()} {self.one('=', '!=')} {self.operand()} ]"
            case 4:
                comparison = self.one("-eq", "-ne", "-lt", "-le", "-gt", "-ge")
                return f"[ $(({self.arithmetic(1)})) {comparison} $(({self.arithmetic(1)})) ]"
            case 5:
                return f"[ {self.one('-n', '-z', '!')} {self.operand()} ]"
            case 6:
                return self.one("true", "false", ":", f"(exit {self.below(4)})", f"st {self.below(5)}")
            case 7:
                return f"say '{self.one(*FORMATS)}' {self.words(depth)}"
            case 8:
                return "IFS=" + self.one("' '", "':'", "': '", "''", "$ifs0", "a", "',:'")
            case 9:
                return f"unset {self.name()}"
            case 10:
                return "if [ $# -gt 1 ]; then shift; fi"
            case 11:
                return f"show $(({self.arithmetic(3)}))"
            case 12:
                return f"eval {quoted(self.simple(depth - 1))}" if depth > 0 else "show e"
            case 13:
                return f'show ${self.one("*", "@", "1", "#")} "${self.one("*", "@", "2")}"'
            case 14:
                return f"test {self.one(*TESTS)}"
            case 15:
                return f"f{self.below(3)} {self.words(depth)}"
        return f"show {self.words(depth)}"

    def redirection(self) -> str:
        return " " + self.one(*REDIRECTIONS)

    def document(self) -> str:
        dash, end = self.one("", "-"), self.one("EOF", "'EOF'", '"EOF"', "\\EOF")
        lines = ["\t" * self.below(2) + self.one(*LINES) for _ in range(self.below(3))]
        after = self.one("", " | cat", " && show ok", " >o; cat o")
        tab = "\t" if dash and self.below(2) else ""
        return f"cat <<{dash}{end}{after}\n" + "".join(line + "\n" for line in lines) + tab + "EOF\n"

    def command(self, depth: int, *, inner: bool = False) -> str:
        if depth <= 0:
            return self.simple(0)
        first, second, third = (self.command(depth - 1, inner=True) for _ in range(3))
        plain, name = self.simple(depth - 1), self.name()
        match self.below(28):
            case 0:
                return f"if {first}; then {second}; else {third}; fi"
            case 1:
                return f"for {name} in {self.words(depth - 1)}; do {first}; done"
            case 2:
                choice = f"{self.pattern()}) {first};; {self.pattern()}|{self.pattern()}) {second};; *) {plain};;"
                return f"case {self.word(depth - 1)} in {choice} esac"
            case 3:
                return f"{plain} {self.one('&&', '||')} {first}"
            case 4:
                return f"! {self.one(plain, f'{{ {first}; }}', f'{plain} | cat', f'if {first}; then {second}; fi')}"
            case 5:
                return f"( {first}; {plain} )"
            case 6:
                return f"{{ {first}; {plain}; }}"
            case 7:
                return f"{plain} | cat"
            case 8:
                return f'{plain} | {{ read {name} {self.name()}; show $? "${name}" "$x"; }}'
            case 9:
                return plain + self.redirection()
            case 10:
                return f"{{ {first}; }}{self.redirection()}"
            case 11 if not inner:
                return self.document()
            case 12:
                end = self.one(f"return {self.below(4)}", "show fin", plain)
                return f"g() {{ {plain}; {end}; }}; g {self.words(depth - 1)}"
            case 13:
                jump = self.one("[ $n = 2 ] && continue", "[ $n = 2 ] && break", ":")
                return f"n=0; while [ $n -lt {self.below(4)} ]; do n=$((n+1)); {jump}; {plain}; done"
            case 14:
                return f"set -e; {first}; set +e"
            case 15:
                return f"(set -e; {first}; show survived); show $?"
            case 16:
                return f"(set -u; {plain}; show ok) 2>/dev/null; show $?"
            case 17:
                return f"(trap 'show trapped $?' {self.one('EXIT', '0')}; {plain}{self.one('', '; exit 3', '; false')})"
            case 18:
                return f'{name}=$( {first}); show $? "${name}"'
            case 19:
                return f"({plain}; exit {self.below(5)}) & wait $!; show $?"
            case 20:
                given = self.one("-a -b v x", "-abv", "-c -- -a", "-x", "-b", "x -a", "$*", "-cab")
                body = 'show "$o" "${OPTARG:-none}"'
                return f"OPTIND=1; while getopts ab:c o {given} 2>/dev/null; do {body}; done; show $OPTIND"
        return plain


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def by_dash(dash: str, script: str) -> tuple[int, str] | None:
    """Status and output; None when it takes longer than a script may."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            ran = subprocess.run(
                [dash, "-c", script],
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C"},
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=10,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    return ran.returncode, ran.stdout.decode(errors="replace")


def record() -> None:
    with RECORDED.open("w") as file:
        for seed in range(COUNT):
            script = Writer(seed).script()
            said = by_dash("dash", script)
            if said is not None:
                body = script.removeprefix(PRELUDE).removesuffix(CODA)
                file.write(json.dumps({"script": body, "status": said[0], "out": said[1]}) + "\n")


if __name__ == "__main__":
    record()
