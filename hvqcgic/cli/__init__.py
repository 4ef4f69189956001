"""The console command `hvqcgic`, and code that all programs share: terminal output, exit codes, program endings.

Input: the words of a command line. Output: files, text on the terminal, an exit code.
May import: everything that a codec needs; never `training`, `evaluation`, `sweep` or `scale`.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.cli.batch_options import n_cores as n_cores
    from hvqcgic.cli.console import main as main
    from hvqcgic.cli.ending import interruption_code as interruption_code
    from hvqcgic.cli.ending import run_with_extra as run_with_extra
    from hvqcgic.cli.exit_codes import SOME_FAILED as SOME_FAILED
    from hvqcgic.cli.exit_codes import USAGE as USAGE
    from hvqcgic.cli.program import new_parser as new_parser
    from hvqcgic.cli.program import run_program as run_program
    from hvqcgic.cli.terminal import complain as complain
    from hvqcgic.cli.terminal import progress_bar as progress_bar
    from hvqcgic.cli.terminal import say as say
    from hvqcgic.cli.terminal import say_json as say_json
    from hvqcgic.cli.terminal import say_table as say_table
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "batch_options": ["n_cores"],
            "console": ["main"],
            "ending": ["interruption_code", "run_with_extra"],
            "exit_codes": ["SOME_FAILED", "USAGE"],
            "program": ["new_parser", "run_program"],
            "terminal": ["complain", "progress_bar", "say", "say_json", "say_table"],
        },
    )
