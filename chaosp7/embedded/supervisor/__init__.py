"""The supervisor: one daemon per embedded platform that starts, watches and ends its services.

::

    __main__   becomes a daemon, holds the platform's lock, reads the plan
    daemon     the order of the start, of the end, and what ends it
    service    one service: its states, its restarts
    process    one child process: started, reaped, its time stamps
    health     is it healthy?
    control    the Unix socket: one JSON object a line
    protocol   what is said there, for both sides
"""
