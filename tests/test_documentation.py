"""The pages of the documentation: their code runs, and what they quote is there."""

import ast
import re
import runpy
import shlex
import signal
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import pytest

import skdxa
import skdxa.cli

DOCS = Path(__file__).resolve().parents[1] / "docs"
if not DOCS.is_dir():
    pytest.skip(f"no documentation beside the tests: {DOCS}", allow_module_level=True)

# What makes a page's code slow, and what takes its place here.
SMALLER = (
    (r"\bmake_spine_cohort\(\d+", "make_spine_cohort(40"),
    (r"\bepochs=\d+", "epochs=1"),
    (r"--epochs \d+", "--epochs 1"),
    (r"--repeats \d+", "--repeats 1"),
)
# On a few simulated patients, intervals are wide and say so.
FEW_PATIENTS = "ignore:(a class has|no interval for|undefined in some of):RuntimeWarning"
# Left out, on a page, of a message or of what a command printed.
LEFT_OUT = "[...]"


def blocks(page, language):
    """Return the code blocks of a page in a language, in order."""
    found, lines = [], page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line != f".. code-block:: {language}":
            continue
        block = []
        for following in lines[number + 1 :]:
            if following and not following.startswith("    "):
                break
            block.append(following[4:])
        found.append("\n".join(block).strip("\n") + "\n")
    return found


def smaller(code):
    for pattern, replacement in SMALLER:
        code = re.sub(pattern, replacement, code)
    return code


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Let a page write its files to a temporary folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


PAGES = [DOCS / "getting_started.rst", *sorted((DOCS / "howto").glob("*.rst"))]
IN_PROCESS = [page for page in PAGES if page.stem not in ("index", "cluster")]


@pytest.mark.filterwarnings(FEW_PATIENTS)
@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in IN_PROCESS])
def test_code_of_a_page_runs(page, in_folder):
    names = {"__name__": "__main__"}
    code = blocks(page, "python")
    assert code
    for block in code:
        exec(compile(smaller(block), str(page), "exec"), names)


@pytest.mark.slow
def test_program_for_a_cluster_runs(in_folder):
    (code,) = blocks(DOCS / "howto" / "cluster.rst", "python")
    # Workers import the program, so that it must be a file.
    (in_folder / "program.py").write_text(smaller(code), encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, check=True, timeout=500
    ).stdout
    assert printed == "CrossValidationResult(1 repeats x 3 folds, 40 scans)\n"
    assert (in_folder / "splits").is_dir()


# Tutorial


def steps(page):
    """Return what a reader of a page does and sees: its blocks of code, in order."""
    kinds = ("console", "python", "toml", "text")
    order = re.findall(
        rf"^\.\. code-block:: ({'|'.join(kinds)})$", page.read_text("utf-8"), flags=re.MULTILINE
    )
    by_kind = {kind: iter(blocks(page, kind)) for kind in kinds}
    return [(kind, next(by_kind[kind])) for kind in order]


def commands(block):
    """Return the commands of a console block, each with the lines that it printed.

    A line of a command ends in a backslash where it goes on; a line that was printed goes on in
    those that begin with eight spaces.
    """
    found = []
    for line in re.sub(r"\\\n|\n {8}(?=\S)", " ", block).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line:
            found[-1][1].append(line)
    return found


def occurs(shown, printed):
    """Return whether a line of a page is in what was printed, but for what is left out."""
    pattern = ".*".join(re.escape(part) for part in shown.split(LEFT_OUT))
    return re.search(rf"^{pattern}$", printed, flags=re.MULTILINE) is not None


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a line of the shell in this process."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    before = signal.getsignal(signal.SIGTERM)

    def run_line(line):
        program, *arguments = shlex.split(line)
        capsys.readouterr()
        status = 0
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                if program == "python":
                    monkeypatch.setattr(sys, "argv", arguments)
                    runpy.run_path(str(DOCS.parent / arguments[0]), run_name="__main__")
                else:
                    assert program == "skdxa"
                    monkeypatch.setattr(sys, "argv", [program, *arguments])
                    skdxa.cli.main()
            except SystemExit as end:
                status = end.code or 0
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    yield run_line
    signal.signal(signal.SIGTERM, before)


# Their figures depend on the trainings, which are shortened here.
TRAINED = ("study", "fit", "predict", "explain")


def check_command(line, shown, run):
    """Run a command, and compare what it prints with what a page shows."""
    status, printed = run(smaller(line))
    fails = any(text.startswith("Error:") for text in shown)
    assert (status != 0) == fails, f"{line}\n{printed}"
    if shlex.split(line)[1] not in TRAINED:
        check_printed(shown, printed)


def check_printed(shown, printed):
    assert [line for line in shown if not occurs(line, printed)] == [], printed


def test_tutorial_runs(in_folder, run, capsys):
    n_commands = 0
    for page in ("index", "files", "study", "model"):
        # Each page imports what it needs, and may be read in a session of its own.
        names, printed = {"__name__": "__main__"}, None
        for kind, block in steps(DOCS / "tutorial" / f"{page}.rst"):
            if kind == "python":
                capsys.readouterr()
                exec(compile(block, page, "exec"), names)
                printed = capsys.readouterr().out
            elif kind == "text":
                if printed is not None and page == "files":
                    check_printed(block.splitlines(), printed)
            elif kind == "toml":
                shorter = re.sub(r"n_repeats = \d+", "n_repeats = 1", block)
                Path("study.toml").write_text(f"{shorter}epochs = 1\n", encoding="utf-8")
            else:
                for line, shown in commands(block):
                    check_command(line, shown, run)
                    n_commands += 1
    assert n_commands >= 8
    assert Path("report/report.html").is_file()
    assert Path("pictures/N002.png").is_file()


# Messages


def templates(source):
    """Return the texts in a module, with a gap (NUL) for each value that is put in."""

    def text_of(node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return "".join(text_of(part) or "\0" for part in node.values)
        return None

    inner = set()
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            inner.update(id(part) for part in node.values)
        elif isinstance(node, ast.Expr):
            # A docstring is no message.
            inner.add(id(node.value))
        if id(node) not in inner and (text := text_of(node)):
            found.append(text)
    return found


def is_quoted(message, texts):
    """Return whether the parts of a message stand in one of the texts, in order."""
    parts = [re.escape(part.strip(" .")) for part in message.split("...")]
    pattern = re.compile(".*?".join(part for part in parts if part), flags=re.DOTALL)
    return any(pattern.search(text) for text in texts)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("the file is empty.", True),
        ("there are ... rows, more than", True),
        ("more than ... there are", False),
        ("the file is full", False),
    ],
)
def test_quotations_are_found(message, found):
    source = (
        '"""the file is full"""\n'
        'a = "the file " "is empty. Copy it."\n'
        'b = f"there are {n} rows, more than {m:d}."'
    )
    assert is_quoted(message, templates(source)) == found


def quoted_messages():
    text = (DOCS / "faq.rst").read_text(encoding="utf-8")
    return re.findall(r"^``(.+)``$", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def package_texts():
    sources = Path(skdxa.__file__).parent.rglob("*.py")
    return [text for path in sources for text in templates(path.read_text(encoding="utf-8"))]


def test_messages_of_the_faq_are_those_of_the_package(package_texts):
    messages = quoted_messages()
    assert len(messages) > 80
    assert [message for message in messages if not is_quoted(message, package_texts)] == []
    assert len(set(messages)) == len(messages)


def test_glossary_is_in_order():
    text = (DOCS / "glossary.rst").read_text(encoding="utf-8")
    for part in text.split(".. glossary::\n")[1:]:
        terms = re.findall(r"^   (\S.*)$", part, flags=re.MULTILINE)
        assert len(terms) > 10
        assert all(a.casefold() < b.casefold() for a, b in pairwise(terms))


def test_pages_are_in_a_list_of_contents():
    for page in [*(DOCS / "howto").glob("*.rst"), *(DOCS / "tutorial").glob("*.rst")]:
        index = (page.parent / "index.rst").read_text(encoding="utf-8")
        assert page.stem == "index" or f"   {page.stem}\n" in index
