# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The developer tooling: what it stages, finds, counts and lets through. It would be a pity to trust a checker that cannot fail."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import dist_check
import lint
import pytest
import tiers

import reports
from stage import stage

TOOLS = Path(__file__).resolve().parents[3] / "tools"
SANITY = """Running sanity test "compile" on Python 3.9
Running sanity test "compile" on Python 3.10
Running sanity test "pep8"
Looking in indexes: somewhere
ERROR: plugins/modules/x.py:1:1: E302
Running sanity test "yamllint"
"""
SANITY_FAILED = "FATAL: The 1 sanity test(s) listed below (out of 4) failed. See error output above for details.\n"


def script(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def find_python(folders: list[Path], *versions: str) -> str:
    """Run tools/find-python.sh with these folders before the system's own programs."""
    path = os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])
    return subprocess.run(
        [TOOLS / "find-python.sh", *versions], env={"PATH": path}, capture_output=True, text=True, check=False
    ).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small git tree with a tracked, a new and an ignored file."""
    root = tmp_path / "tree"
    root.mkdir()
    for command in (["git", "init", "-q"], ["git", "add", "tracked"]):
        (root / "tracked").write_text("one", encoding="utf-8")
        subprocess.run(command, cwd=root, check=True)
    (root / "new").write_text("two", encoding="utf-8")
    (root / "junk.pyc").write_text("three", encoding="utf-8")
    (root / ".gitignore").write_text("*.pyc\n", encoding="utf-8")
    return root


def staged(target: Path) -> set[str]:
    return {path.name for path in target.iterdir() if path.name != ".git"}


def test_stage_copies_tracked_and_new_but_not_ignored(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "stage" / "cloud"
    assert stage(tree, target) == 3
    assert staged(target) == {".gitignore", "new", "tracked"}
    assert stage(tree, target) == 0


def test_stage_follows_changes_and_removals(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "stage" / "cloud"
    stage(tree, target)
    (tree / "new").unlink()
    (tree / "tracked").write_text("changed", encoding="utf-8")
    assert stage(tree, target) == 2
    assert staged(target) == {".gitignore", "tracked"}
    assert (target / "tracked").read_text(encoding="utf-8") == "changed"


def test_a_tree_that_git_does_not_know_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an archive, or a checkout of another user."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SystemExit, match=f"^stage: git.* cannot tell those of {tmp_path}: fatal: not a git repository"):
        stage(tmp_path, tmp_path / "stage" / "cloud")


def test_without_apt_there_is_a_way_on(tmp_path: Path) -> None:
    """Advice that leads back to itself is none."""
    for folder in ("tools", "requirements", "bin"):
        (tmp_path / folder).mkdir()
    shutil.copy(TOOLS / "setup.sh", tmp_path / "tools")
    shutil.copy(TOOLS.parent / "requirements" / "debian.txt", tmp_path / "requirements")
    for program in ("bash", "dirname", "mkdir", "flock", "awk", "xargs", "echo"):
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    command = [str(tmp_path / "bin" / "bash"), str(tmp_path / "tools" / "setup.sh"), "apt", "base"]
    done = subprocess.run(command, env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "install by hand what these are there: git gcc" in done.stderr
    assert done.stderr.endswith("; then tell so with: touch .work/stamps/apt-base\n")


@pytest.mark.parametrize("name", ["checkout", "check out"])
def test_a_checkout_finds_itself_wherever_it_is(name: str, tmp_path: Path) -> None:
    """Also one whose path has a blank, and one that was copied with what was made in the other."""
    link, stamp = (tmp_path / name / ".work" / path for path in ("collections/ansible_collections/zonal/cloud", "stamps/venv"))
    for path in (link, stamp):
        path.parent.mkdir(parents=True)
    stamp.touch()
    (tmp_path / "other").mkdir()
    link.symlink_to(tmp_path / "other")
    shutil.copy(TOOLS.parent / "Makefile", tmp_path / name)
    for _again in range(2):
        subprocess.run(["make", "--silent", str(link.relative_to(tmp_path / name))], cwd=tmp_path / name, check=True)
        assert (os.readlink(link), stamp.exists()) == (str(tmp_path / name), False)
    stamp.touch()
    subprocess.run(["make", "--silent", "help"], cwd=tmp_path / name, check=True, stdout=subprocess.DEVNULL)
    assert stamp.exists()


def test_find_python_passes_over_what_cannot_run(tmp_path: Path) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    script(tmp_path / "shims" / f"python{version}", "exit 0")
    script(tmp_path / "broken" / f"python{version}", "exit 127")
    script(tmp_path / "other" / "python3.99", f'exec {shlex.quote(sys.executable)} "$@"')
    script(tmp_path / "good" / f"python{version}", f'exec {shlex.quote(sys.executable)} "$@"')
    folders = [tmp_path / name for name in ("shims", "broken", "other", "good")]
    assert find_python(folders, "3.99", version) == str(tmp_path / "good" / f"python{version}")


def test_find_python_says_nothing_when_there_is_none(tmp_path: Path) -> None:
    assert find_python([tmp_path], "3.99") == ""


@pytest.mark.parametrize(
    "name",
    [
        "lab/cli.py",
        "tests",
        "plugins/modules/.hidden",
        "inventories/lab/hosts",
        "changelogs/fragments/x.yml",
        "Makefile",
        "plugins/new/x.py",
    ],
)
def test_tarball_leak_is_seen(name: str) -> None:
    assert dist_check.leaks(["README.md", "plugins", name]) == [name]


def test_tarball_content_is_let_through() -> None:
    names = [
        "MANIFEST.json",
        "plugins/modules/vm.py",
        "inventories/example/hosts",
        "changelogs/changelog.yaml",
        "roles/x/tasks/main.yml",
    ]
    assert dist_check.leaks(names) == []


def test_sanity_tests_are_counted_once_each() -> None:
    cases = lint.cases_of(lint.CHECKS[0], 0, SANITY, 6.0)
    assert [(case.name, case.outcome) for case in cases] == [
        ("ansible-test sanity: compile", "passed"),
        ("ansible-test sanity: pep8", "passed"),
        ("ansible-test sanity: yamllint", "passed"),
    ]


def test_failed_sanity_test_is_named() -> None:
    cases = lint.cases_of(lint.CHECKS[0], 1, f"{SANITY}{SANITY_FAILED}pep8\n", 6.0)
    assert [case.name for case in cases if case.outcome == "failed"] == ["ansible-test sanity: pep8"]


def test_sanity_that_breaks_off_is_one_failure() -> None:
    cases = lint.cases_of(lint.CHECKS[0], 1, SANITY, 6.0)
    assert [case.outcome for case in cases] == ["failed"]


def test_chatter_is_left_out_of_what_is_shown() -> None:
    assert lint.readable(SANITY) == "ERROR: plugins/modules/x.py:1:1: E302"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reports go to a folder of the test."""
    monkeypatch.setattr(reports, "REPORTS", tmp_path)
    monkeypatch.setattr(tiers, "REPORTS", tmp_path)
    return tmp_path


def fake_make(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Let a script stand in for make; it finds the report of a tier in $reports."""
    script(folder / "make", f'tier="$2"; reports="{folder}"\n{body}')
    monkeypatch.setenv("MAKE", str(folder / "make"))


def rows(output: str) -> list[list[str]]:
    """Return the tiers of the table that an output ends with, each with how many tests passed and failed."""
    return [line.split()[:3] for line in output.splitlines() if re.fullmatch(r"[a-z]+ +[-\d]+ +[-\d]+ +.*", line)]


CASE = '<testsuite><testcase name="a"/><testcase name="b"><skipped/></testcase></testsuite>'
BAD_CASE = '<testsuite><testcase name="a"/><testcase name="b"><error/></testcase></testsuite>'


def test_report_is_read_as_it_was_written(folder: Path) -> None:
    cases = [reports.Case("a", "passed"), reports.Case("b", "failed", 1.0, "why <&>"), reports.Case("c", "skipped", message="none")]
    assert reports.read(reports.write("tier", cases)) == reports.Counts(passed=1, failed=1, skipped=1)


def test_tiers_end_with_the_totals(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake_make(folder, monkeypatch, f"echo '{CASE}' > $reports/$tier.xml")
    assert tiers.main(["unit", "lint"]) == 0
    assert capsys.readouterr().out.endswith("\n2 passed, 0 failed\n")


def test_tiers_name_what_failed(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad = '<testsuite><testcase classname="x" name="b"><failure message="this&#10; is why"/></testcase></testsuite>'
    fake_make(folder, monkeypatch, f"echo '{bad}' > $reports/$tier.xml; exit 1")
    assert tiers.main(["unit"]) == 1
    assert "\nFAILED x::b: this is why\n" in capsys.readouterr().out


def test_tiers_side_by_side_end_all_and_their_lines_are_told_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each waits for a sign of the other one; the one that fails first does not end the other. The last lane has the right of way."""
    other = "$([ $tier = lint ] && echo unit || echo lint)"
    wait = f"touch $reports/$tier.on; while [ ! -e $reports/{other}.on ]; do sleep 0.01; done; echo line of $tier, nice $(nice)"
    fake_make(folder, monkeypatch, f"{wait}; [ $tier = unit ] && exit 1; sleep 0.1; echo '{CASE}' > $reports/$tier.xml")
    assert tiers.main(["unit+lint", "lab"]) == 1
    output = capsys.readouterr().out
    own = os.nice(0)
    assert {f"unit | line of unit, nice {min(own + 10, 19)}", f"lint | line of lint, nice {own}"} <= set(output.splitlines())
    assert rows(output) == [["unit", "0", "1"], ["lint", "1", "0"], ["lab", "-", "-"]]
    assert output.endswith("\n1 passed, 1 failed\n")


def test_tiers_of_a_lane_wait_for_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The lane that fails goes no further, the one beside it does."""
    fake_make(folder, monkeypatch, f"[ $tier = unit ] && exit 1; echo '{CASE}' > $reports/$tier.xml")
    assert tiers.main(["lint,lab+unit,engines", "matrix"]) == 1
    assert rows(capsys.readouterr().out) == [
        ["lint", "1", "0"],
        ["lab", "1", "0"],
        ["unit", "0", "1"],
        ["engines", "-", "-"],
        ["matrix", "-", "-"],
    ]


@pytest.mark.parametrize(
    ("body", "last"),
    [
        (f"echo '{BAD_CASE}' > $reports/$tier.xml; exit 1", "1 passed, 1 failed"),
        (f"echo '{CASE}' > $reports/$tier.xml; exit 2", "1 passed, 1 failed"),
        ("exit 1", "0 passed, 1 failed"),
        ("exit 0", "0 passed, 1 failed"),
    ],
    ids=["a test fails", "make fails", "no report", "nothing ran"],
)
def test_tiers_stop_at_the_first_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: str, last: str
) -> None:
    fake_make(folder, monkeypatch, body)
    assert tiers.main(["unit", "lint"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == last
    assert any(line.startswith("lint") and line.endswith("not run") for line in lines)
