"""What every test relies on: that Ctrl-C reaches what it starts."""

import signal

# A shell without job control starts what it puts into the background, as a CI does, with SIGINT
# ignored, and so would every process started from here. One that handles it hands on the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
