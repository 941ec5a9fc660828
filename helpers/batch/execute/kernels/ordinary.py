"""An ordinary kernel that ends with the process that started it. Run as a script."""

import signal
import sys


def main() -> None:
    """Be the kernel of the connection file that `-f` names."""
    folder = sys.path.pop(0)  # this script's; IPython puts the kernel's own there
    sys.path.append(folder)
    from forkserver import die_with_parent, serve_until_shutdown

    sys.path.remove(folder)
    die_with_parent(signal.SIGKILL)
    serve_until_shutdown(sys.argv[1:])


if __name__ == "__main__":
    main()
