"""The one exception a person is meant to read."""


class UserError(Exception):
    """Something the person at the keyboard can put right.

    The message names what is wrong, where, and what to do. The command line prints it alone, without a traceback,
    and exits 2; a task fails with it and is not retried, because trying again cannot help.
    """
