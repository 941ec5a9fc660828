"""An ordinary kernel that ends with the process that started it. Run as a script."""

import os
import signal
import sys


def main() -> None:
    """Be the kernel of the connection file that `-f` names."""
    folder = sys.path.pop(0)  # this script's; IPython puts the kernel's own there
    sys.path.append(folder)
    from forkserver import die_with_parent, serve_until_shutdown, speak_into

    sys.path.remove(folder)
    # Else it would speak in between on the terminal, or in what a script reads as JSON.
    speak_into(os.path.splitext(sys.argv[sys.argv.index("-f") + 1])[0] + ".log")
    die_with_parent(signal.SIGKILL)
    serve_until_shutdown(sys.argv[1:])


if __name__ == "__main__":
    main()
