"""Shell completion, as the shells ask for it: by a variable of the environment."""

import re
import subprocess

import pytest

from .console_script import ENVIRONMENT, JOURNEYS, journeys

# How each shell tells what has been typed so far.
PROTOCOL = {
    "bash": lambda words: {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)},
    "zsh": lambda words: {"_TYPER_COMPLETE_ARGS": " ".join(words)},
    "fish": lambda words: {"_TYPER_COMPLETE_ARGS": " ".join(words), "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}
# And where the words are in what it gets back: alone, or with a help text behind them.
ANSWER = {"bash": r"(?m)^(.+)$", "zsh": r'(?:\(\(|\n)"([^"]+)"', "fish": r"(?m)^([^\t\n]+)"}
NOWHERE = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # a shell is named, and none looked for


@pytest.mark.parametrize("shell", PROTOCOL)
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("rep", {"replay", "report"}),
        ("dead-letters ", {"list", "show", "retry", "skip"}),
        ("verify --js", {"--json"}),
        ("abandon j --reason USER", {"USER_FATIGUE"}),
        ("worker --log-level ", {"debug", "info", "warning", "error"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_commands_options_and_values(tmp_path, shell, typed, expected):
    """Those that begin so, and no others."""
    words = ["journeys", *typed.split(" ")]
    env = {"_JOURNEYS_COMPLETE": f"complete_{shell}", **PROTOCOL[shell](words)}
    done = journeys(cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(re.findall(ANSWER[shell], done.stdout)) == expected


@pytest.mark.parametrize("shell", PROTOCOL)
def test_the_script_of_each_shell(tmp_path, shell):
    """Printed by the variable and by the option, and the same."""
    printed = journeys("--show-completion", shell, cwd=tmp_path, env=NOWHERE)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert "_JOURNEYS_COMPLETE" in printed.stdout
    assert f"complete_{shell}" in printed.stdout
    sourced = journeys(cwd=tmp_path, env={"_JOURNEYS_COMPLETE": f"source_{shell}"})
    assert (sourced.returncode, sourced.stdout.strip()) == (0, printed.stdout.strip())


@pytest.mark.parametrize(
    ("shell", "file"),
    [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/completions/journeys.fish")],
)
def test_it_is_installed_for_each_shell(tmp_path, shell, file):
    """In the files of that shell, in the home folder."""
    done = journeys("--install-completion", shell, cwd=tmp_path, env=NOWHERE | {"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / file).is_file()


def test_a_real_bash_completes(tmp_path):
    """With the script that a person would source."""
    script = (
        f'PATH="{JOURNEYS.parent}:$PATH"; eval "$(_JOURNEYS_COMPLETE=source_bash journeys)"\n'
        "COMP_WORDS=(journeys topics c); COMP_CWORD=2; _journeys_completion journeys c topics\n"
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["create", "check", "copy"]), done.stderr
