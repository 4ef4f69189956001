"""The errors of hvqcgic: each message is one line that names the cause, the value found and a remedy.

HvqcgicError
├── BitstreamError (ValueError)     a `.hvq` file cannot be read
│   ├── BadMagic                    it is no `.hvq` file
│   ├── UnsupportedVersion          this reader does not know its format version
│   ├── Truncated                   it ends too early
│   ├── Checksum                    its bytes have changed since it was written
│   └── ModelMismatch               it was made with another model
├── ModelError (ValueError)         a model is unknown, damaged, or cannot be frozen exactly
├── PictureError (ValueError)       a picture cannot be read, or its kind or size is not supported
├── ConfigError (ValueError)        a setting, or a combination of settings, is not allowed
│   ├── UnknownOption (TypeError)   an option has a name that is not known
│   └── MissingPackage              a package is not installed; an extra of hvqcgic installs it
├── Unreachable (ValueError)        one picture cannot meet a request: a rate, a quality, a region
├── OutputError                     a result cannot be written
│   ├── OutputExists                the file exists already, and replacing it was not requested
│   └── BadOutputName               no file can have its name, for example because it is too long
├── KindError (TypeError)           an argument is no picture, file or region of a kind that is taken
└── WorkerDied                      a worker process ended before its file was done

PictureWarning (UserWarning)        a part of a picture was not used
"""


class HvqcgicError(Exception):
    """Base of every error that hvqcgic raises on purpose."""


class BitstreamError(HvqcgicError, ValueError):
    """A `.hvq` file cannot be read."""


class BadMagic(BitstreamError):
    """The data do not start as a `.hvq` file."""


class UnsupportedVersion(BitstreamError):
    """The file has a format version that this reader does not know."""


class Truncated(BitstreamError):
    """The file ends before its announced contents."""


class Checksum(BitstreamError):
    """The file's CRC-32 does not fit its bytes."""


class ModelMismatch(BitstreamError):
    """The file was made with another model than the one that reads it."""


class ModelError(HvqcgicError, ValueError):
    """A model is unknown, its file is damaged, or it cannot be frozen exactly."""


class PictureError(HvqcgicError, ValueError):
    """A picture cannot be read, or its kind or size is not supported."""


class ConfigError(HvqcgicError, ValueError):
    """A setting, or a combination of settings, is not allowed."""


class UnknownOption(ConfigError, TypeError):
    """An option has a name that is not known."""


class MissingPackage(ConfigError):
    """A package that some commands need is not installed; an extra of hvqcgic installs it."""


class Unreachable(HvqcgicError, ValueError):
    """A picture cannot meet a request: a rate or quality is out of range, or a region is outside the picture."""


class OutputError(HvqcgicError):
    """A result cannot be written."""


class OutputExists(OutputError):
    """A result would replace a file, and replacing was not requested."""


class BadOutputName(OutputError):
    """No file can have the name of a result."""


class KindError(HvqcgicError, TypeError):
    """An argument is no picture, file or region of a kind that is taken."""


class WorkerDied(HvqcgicError):
    """A worker process ended before its file was done, or cannot be started."""


class PictureWarning(UserWarning):
    """A part of a picture was not used or was guessed."""
