"""Every error cartctl raises on purpose. Its text says what, where, and what to try.

CartctlError                      exit code
  UsageError                      2   the command's words do not fit together
    ConfigurationError            2   cartctl.toml, the environment or a sequence.toml
    UnknownSequenceError          2   no sequence, or none for contacts, is called so
    UnwritableFileError           2   the disk or the folder does not take what is to be written
  InputFileError                  2   a file that is no such export, or cannot be read
    UnreadableFileError           2   the disk does not give it: nothing is known of the file itself
  DatabaseError                   2   cannot be opened, read or written
    SchemaError                   2   older or newer than this program
    DatabaseBusyError             2   another program holds it
  TemplateError                   1   one message cannot be rendered
    CostlyTemplateError           1   its template takes too long, or too much
  NotionError                     1   Notion refuses, or does not answer; no mail hangs on it
  LockHeldError                   75  another run is at work (EX_TEMPFAIL of sysexits.h)
"""

from typing import ClassVar


class CartctlError(Exception):
    """Anything cartctl can name. The message is complete: the command line adds nothing to it."""

    exit_code: ClassVar[int] = 1


class UsageError(CartctlError):
    """The command's words do not fit together."""

    exit_code = 2


class UnknownSequenceError(UsageError):
    """No sequence, or none for contacts, is called so."""


class ConfigurationError(UsageError):
    """cartctl.toml, the environment or a sequence.toml is wrong."""


class UnwritableFileError(UsageError):
    """The disk is full, or the folder may not be written to. The file that was to be imported may be sound."""


class InputFileError(CartctlError):
    """A file that cannot be read, or is no such export. Nothing of it was kept."""

    exit_code = 2


class UnreadableFileError(InputFileError):
    """The disk or the network failed while the file was read. The file may be sound."""


class DatabaseError(CartctlError):
    """The database cannot be opened, read or written."""

    exit_code = 2


class SchemaError(DatabaseError):
    """The database is older or newer than this program."""


class DatabaseBusyError(DatabaseError):
    """Another program holds the database, and has for a while."""


class TemplateError(CartctlError):
    """One message cannot be rendered. It costs no step: the message waits for the template's repair.

    `template`: the file, as the template folders name it; `line`: where in it, if that is known.
    """

    def __init__(self, fault: str, *, template: str = "", line: int | None = None) -> None:
        place = f"{template}, line {line}" if line else template
        super().__init__(f"{place}: {fault}" if place else fault)
        self.fault, self.template, self.line = fault, template, line


class CostlyTemplateError(TemplateError):
    """Rendering was stopped: the template takes too long, or too much."""


class NotionError(CartctlError):
    """Notion refuses, or does not answer. The mirror is behind; no mail hangs on it."""


class LockHeldError(CartctlError):
    """Another run is at work."""

    exit_code = 75
