"""The bar over a sweep: there on a terminal, and nothing elsewhere."""

import io

import pytest

from hvqcgic.sweep.progress import sweep_bar


class Terminal(io.StringIO):
    """Takes what a terminal would show."""

    def isatty(self) -> bool:
        """Says so."""
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_shows_trials_and_the_one_at_hand_on_a_terminal(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with sweep_bar(10) as bar:
        bar.done(3, "2 measured, 1 at work")
        bar.say("trial 3: step 20 of 60")
    shown = stream.getvalue()
    assert bool(shown) == terminal
    for part in ("3/10", "2 measured, 1 at work", "trial 3: step 20 of 60"):
        assert (part in shown) == terminal
